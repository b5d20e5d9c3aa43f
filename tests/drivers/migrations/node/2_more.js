export const up = (pgm) => {
  pgm.createType('state', ['open', 'done']);
  pgm.addColumns('notes', { state: { type: 'state', notNull: true, default: 'open' }, label: { type: 'integer', references: 'labels' } });
  pgm.sql("UPDATE notes SET state = 'done', label = (SELECT id FROM labels WHERE name = 'red') WHERE tenant_id > 10");
  pgm.alterColumn('notes', 'body', { type: 'varchar(400)' });
  pgm.createView('done_notes', {}, "SELECT tenant_id, note_id FROM notes WHERE state = 'done'");
};

export const down = (pgm) => {
  pgm.dropView('done_notes');
  pgm.alterColumn('notes', 'body', { type: 'text' });
  pgm.dropColumns('notes', ['state', 'label']);
  pgm.dropType('state');
};
