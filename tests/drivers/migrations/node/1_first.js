export const up = (pgm) => {
  pgm.createTable('notes', {
    tenant_id: { type: 'bigint', notNull: true },
    note_id: { type: 'bigserial', notNull: true },
    body: { type: 'text', notNull: true, default: '' },
  }, { constraints: { primaryKey: ['tenant_id', 'note_id'] } });
  pgm.createTable('labels', { id: 'id', name: { type: 'varchar(40)', unique: true } });
  pgm.sql("INSERT INTO notes (tenant_id, body) SELECT g, 'of ' || g FROM generate_series(1, 20) g");
  pgm.sql("INSERT INTO labels (name) VALUES ('red'), ('blue')");
};
