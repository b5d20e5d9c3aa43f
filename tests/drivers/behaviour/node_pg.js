// What node-postgres' documentation promises, asked of the server that PGHOST and its like name.
const assert = require('assert')
const { pipeline } = require('stream/promises')
const { Readable, Writable } = require('stream')
const { Client, Pool, types } = require('pg')
const Cursor = require('pg-cursor')
const QueryStream = require('pg-query-stream')
const copy = require('pg-copy-streams')

const fails = (promise, code) => assert.rejects(promise, (error) => (assert.strictEqual(error.code, code), true))

describe('pg', () => {
  let client
  beforeEach(async () => {
    client = new Client()
    await client.connect()
  })
  afterEach(() => client.end())

  it('queues queries and answers them in order', async () => {
    const answers = await Promise.all([1, 2, 3].map((n) => client.query('SELECT $1::int AS n', [n])))
    assert.deepStrictEqual(answers.map((answer) => answer.rows[0].n), [1, 2, 3])
  })

  it('tells columns, command and counts', async () => {
    const answer = await client.query("SELECT 1 AS a, 'x'::varchar(7) AS b")
    assert.deepStrictEqual(answer.fields.map(({ name, dataTypeID }) => [name, dataTypeID]), [['a', 23], ['b', 1043]])
    assert.deepStrictEqual([answer.command, answer.rowCount], ['SELECT', 1])
    assert.strictEqual((await client.query('')).command, null)
  })

  it('gives one result for each statement of a simple query', async () => {
    const answers = await client.query('SELECT 1 AS a; SELECT 2 AS a, 3 AS b; CREATE TEMP TABLE several (a int)')
    assert.deepStrictEqual(answers.map((answer) => answer.command), ['SELECT', 'SELECT', 'CREATE'])
    assert.deepStrictEqual(answers[1].rows, [{ a: 2, b: 3 }])
  })

  it('keeps a named statement, and refuses its name with another text', async () => {
    for (const n of [1, 2, 3]) {
      const answer = await client.query({ name: 'kept', text: 'SELECT $1::int + 1 AS n', values: [n] })
      assert.strictEqual(answer.rows[0].n, n + 1)
    }
    await assert.rejects(client.query({ name: 'kept', text: 'SELECT 1' }), /must be unique/)
  })

  it('goes on with a named statement whose parameters were wrong once', async () => {
    const ask = (value) => client.query({ name: 'int', text: 'SELECT $1::int AS n', values: [value] })
    await fails(ask('x'), '22P02')
    assert.strictEqual((await ask(7)).rows[0].n, 7)
    await fails(client.query({ name: 'wrong', text: 'SELEC 1' }), '42601')
    assert.strictEqual((await client.query({ name: 'wrong', text: 'SELECT 1 AS n' })).rows[0].n, 1)
  })

  it('brings back what it took of every type', async () => {
    const cases = [
      ['bool', true], ['int2', -3], ['int8', '9007199254740993'], ['float8', 0.1], ['numeric', '12345678901234567890.123'],
      ['text', 'naïve ☃'], ['bytea', Buffer.from([0, 1, 255])], ['jsonb', { a: [1, null] }], ['int4[]', [1, null, 3]],
      ['text[]', ['a,b', '"', null]], ['uuid', '6b2f0a8e-0000-4000-8000-0123456789ab'], ['text', null],
      ['timestamptz', new Date('2024-02-29T12:34:56.789Z')], ['interval', null],
    ]
    for (const [type, value] of cases) {
      assert.deepStrictEqual((await client.query(`SELECT $1::${type} AS v`, [value])).rows[0].v, value, type)
    }
    const binary = await client.query({ text: 'SELECT 258::int4 AS n, true AS b', binary: true })
    assert.deepStrictEqual(binary.rows, [{ n: 258, b: true }])
    const rows = await client.query({ text: 'SELECT 1, 2', rowMode: 'array', types: { getTypeParser: () => (text) => `<${text}>` } })
    assert.deepStrictEqual(rows.rows, [['<1>', '<2>']])
  })

  it('reports an error with all its fields and goes on', async () => {
    await client.query('CREATE TEMP TABLE checked (n int CONSTRAINT positive CHECK (n > 0))')
    const error = await client.query('INSERT INTO checked VALUES ($1)', [-1]).catch((error) => error)
    assert.deepStrictEqual([error.code, error.constraint, error.table, error.severity], ['23514', 'positive', 'checked', 'ERROR'])
    const syntax = await client.query('SELECT 1 FRM x y').catch((error) => error)
    assert.deepStrictEqual([syntax.code, syntax.position], ['42601', '14'])
    assert.strictEqual((await client.query('SELECT 1 AS n')).rows[0].n, 1)
  })

  it('rolls back and saves points', async () => {
    await client.query('CREATE TEMP TABLE steps (n int)')
    await client.query('BEGIN')
    await client.query('INSERT INTO steps VALUES ($1)', [1])
    await client.query('SAVEPOINT here')
    await fails(client.query('INSERT INTO steps VALUES ($1)', ['x']), '22P02')
    await fails(client.query('SELECT 1'), '25P02')
    await client.query('ROLLBACK TO SAVEPOINT here')
    await client.query('COMMIT')
    assert.strictEqual((await client.query('SELECT count(*)::int AS n FROM steps')).rows[0].n, 1)
  })

  it('hears notices and notifications', async () => {
    const notice = new Promise((resolve) => client.once('notice', resolve))
    await client.query("DO $$ BEGIN RAISE NOTICE 'beside'; END $$")
    assert.strictEqual((await notice).message, 'beside')
    const other = new Client()
    await other.connect()
    await client.query('LISTEN doors')
    const heard = new Promise((resolve) => client.once('notification', resolve))
    await other.query("SELECT pg_notify('doors', $1)", ['open'])
    assert.strictEqual((await heard).payload, 'open')
    await other.end()
  })

  it('cancels a statement by its process', async () => {
    const slow = fails(client.query('SELECT pg_sleep(20)'), '57014')
    await new Promise((resolve) => setTimeout(resolve, 300))
    const canceller = new Client()
    canceller.cancel(client, client.activeQuery ?? client._getActiveQuery?.() ?? client._activeQuery)
    await slow
    assert.strictEqual((await client.query('SELECT 1 AS n')).rows[0].n, 1)
  })

  it('holds settings for the session', async () => {
    await client.query("SET application_name = 'suite'")
    await client.query("SET TimeZone = 'Asia/Tokyo'")
    const answer = await client.query("SELECT current_setting('application_name') AS a, current_setting('TimeZone') AS t")
    assert.deepStrictEqual(answer.rows[0], { a: 'suite', t: 'Asia/Tokyo' })
    const other = new Client({ application_name: 'other', options: '-c work_mem=3MB', statement_timeout: 200 })
    await other.connect()
    assert.strictEqual((await other.query('SHOW work_mem')).rows[0].work_mem, '3MB')
    assert.strictEqual((await other.query('SHOW application_name')).rows[0].application_name, 'other')
    await fails(other.query('SELECT pg_sleep(20)'), '57014')
    await other.end()
  })

  it('reads a cursor in parts, also after an error and after its close', async () => {
    const cursor = client.query(new Cursor('SELECT n FROM generate_series(1, $1::int) n', [25]))
    const sizes = []
    for (let rows; (rows = await cursor.read(10)).length; ) sizes.push(rows.length)
    assert.deepStrictEqual(sizes, [10, 10, 5])
    const broken = client.query(new Cursor('SELECT 1 / (3 - n) AS q FROM generate_series(1, 5) n'))
    assert.strictEqual((await broken.read(1)).length, 1)
    await fails(broken.read(9), '22012')
    const left = client.query(new Cursor('SELECT generate_series(1, 100000)'))
    await left.read(5)
    await left.close()
    assert.strictEqual((await client.query('SELECT 1 AS n')).rows[0].n, 1)
  })

  it('streams many rows to a slow reader', async () => {
    const stream = client.query(new QueryStream("SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) n", [], { batchSize: 100 }))
    let count = 0
    await pipeline(stream, new Writable({ objectMode: true, write: (_row, _encoding, done) => (count++ % 5000 ? done() : setTimeout(done, 20)) }))
    assert.strictEqual(count, 20000)
  })

  it('copies in and out, and breaks a copy off', async () => {
    await client.query('CREATE TEMP TABLE lines (n int, line text)')
    const rows = Array.from({ length: 20000 }, (_, n) => `${n}\tline ${n}\n`)
    await pipeline(Readable.from(rows), client.query(copy.from('COPY lines FROM STDIN')))
    let out = 0
    const taken = client.query(copy.to('COPY lines TO STDOUT'))
    for await (const chunk of taken) out += chunk.toString().split('\n').length - 1
    assert.strictEqual(out, 20000)
    await fails(pipeline(Readable.from(['x\ty\n']), client.query(copy.from('COPY lines FROM STDIN'))), '22P02')
    const halt = client.query(copy.from('COPY lines FROM STDIN'))
    halt.on('error', () => {})
    halt.write('1\tleft\n')
    halt.destroy(new Error('enough'))
    assert.strictEqual((await client.query('SELECT count(*)::int AS n FROM lines')).rows[0].n, 20000)
  })

  it('sends and gets large values', async () => {
    const large = 'é'.repeat(8 << 20)
    assert.strictEqual((await client.query('SELECT $1::text AS t', [large])).rows[0].t.length, large.length)
    const many = Array.from({ length: 5000 }, (_, n) => n)
    const list = many.map((n) => `$${n + 1}::int`).join(',')
    assert.strictEqual((await client.query(`SELECT array_length(ARRAY[${list}], 1) AS n`, many)).rows[0].n, 5000)
  })
})

describe('pg.Pool', () => {
  it('shares clients, and replaces one that the server ended', async () => {
    const pool = new Pool({ max: 4 })
    pool.on('error', () => {})
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => pool.query('SELECT $1::int AS n', [n])))
    assert.deepStrictEqual(answers.map((answer) => answer.rows[0].n), Array.from({ length: 40 }, (_, n) => n))
    const doomed = await pool.connect()
    doomed.on('error', () => {})
    await fails(doomed.query('SELECT pg_terminate_backend(pg_backend_pid())'), '57P01')
    doomed.release(true)
    assert.strictEqual((await pool.query('SELECT 1 AS n')).rows[0].n, 1)
    await pool.end()
  })

  it('refuses what PostgreSQL refuses at the door', async () => {
    const nowhere = new Client({ database: 'no_such_database' })
    await fails(nowhere.connect(), '3D000')
    assert.ok(types)
  })
})
