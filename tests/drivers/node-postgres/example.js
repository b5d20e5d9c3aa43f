// The example application with node-postgres: tasks of many tenants. Usage: node example.js URL.

const assert = require('node:assert/strict');
const { Pool } = require('pg');
const { from } = require('pg-copy-streams');
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');

async function main() {
  const pool = new Pool({ connectionString: process.argv[2], max: 4 });
  await pool.query('CREATE TABLE IF NOT EXISTS node_tasks (tenant_id bigint, task_id bigint, title text, done boolean DEFAULT false, PRIMARY KEY (tenant_id, task_id))');

  // One tenant's statement goes to that tenant's server, however the key is sent.
  for (let tenant = 1; tenant <= 10; tenant++) {
    await pool.query('INSERT INTO node_tasks VALUES ($1, 1, $2)', [tenant, `welcome, tenant ${tenant}`]);
  }

  // A transaction of a tenant, and its own writes read back at once, on another connection.
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query("INSERT INTO node_tasks VALUES ($1, 2, 'buy milk')", [7]);
  await client.query('UPDATE node_tasks SET done = true WHERE tenant_id = $1 AND task_id = 1', [7]);
  await client.query('COMMIT');
  const own = await pool.query('SELECT task_id, title, done FROM node_tasks WHERE tenant_id = $1 ORDER BY task_id', [7]);
  assert.deepEqual(own.rows, [
    { task_id: '1', title: 'welcome, tenant 7', done: true },
    { task_id: '2', title: 'buy milk', done: false },
  ]);

  // A named statement is prepared once a client and runs on any server.
  const named = { name: 'title', text: 'SELECT title FROM node_tasks WHERE tenant_id = $1 AND task_id = 1' };
  for (let tenant = 1; tenant <= 10; tenant++) {
    const { rows } = await client.query({ ...named, values: [tenant] });
    assert.equal(rows[0].title, `welcome, tenant ${tenant}`);
  }

  // COPY: each row finds its server, and all of it is there or none.
  const lines = Array.from({ length: 100 }, (_, index) => `${index + 1}\t100\tcopied\n`);
  await pipeline(Readable.from(lines), client.query(from('COPY node_tasks (tenant_id, task_id, title) FROM STDIN')));
  client.release();

  // A question over all tenants.
  const all = await pool.query('SELECT count(*), count(*) FILTER (WHERE done) AS done FROM node_tasks');
  assert.deepEqual(all.rows, [{ count: '111', done: '1' }]);

  // An error is PostgreSQL's own.
  await assert.rejects(pool.query("INSERT INTO node_tasks VALUES (7, 1, 'twice')"), { code: '23505' });

  await pool.query('DROP TABLE node_tasks');
  await pool.end();
  console.log('node-postgres: ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
