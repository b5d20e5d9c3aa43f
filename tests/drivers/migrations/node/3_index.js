export const up = (pgm) => {
  pgm.noTransaction();
  pgm.createIndex('notes', ['state', 'tenant_id'], { name: 'notes_state', concurrently: true });
};

export const down = (pgm) => {
  pgm.noTransaction();
  pgm.dropIndex('notes', [], { name: 'notes_state', concurrently: true });
};
