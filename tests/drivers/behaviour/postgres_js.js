// What postgres.js' documentation promises, asked of the server that PGHOST and its like name.
const assert = require('assert')
const { pipeline } = require('stream/promises')
const { Readable } = require('stream')
const postgres = require('postgres')

const fails = (promise, code) => assert.rejects(promise, (error) => (assert.strictEqual(error.code, code), true))

describe('postgres.js', () => {
  let sql
  beforeEach(() => (sql = postgres({ max: 1, idle_timeout: 5, onnotice: () => {} })))
  afterEach(() => sql.end({ timeout: 1 }))

  it('pipelines queries on one connection', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => sql`SELECT ${n}::int AS n`))
    assert.deepStrictEqual(answers.map(([row]) => row.n), Array.from({ length: 200 }, (_, n) => n))
  })

  it('fails one of a pipeline and answers the rest', async () => {
    const asked = [1, 0, 2, 'x', 4].map((n) => sql`SELECT 1 / ${n}::int AS q`)
    const answers = await Promise.allSettled(asked)
    assert.deepStrictEqual(answers.map((answer) => answer.reason?.code ?? 'ok'), ['ok', '22012', 'ok', '22P02', 'ok'])
  })

  it('brings back what it took of every type', async () => {
    const date = new Date('2024-02-29T12:34:56.789Z')
    const [row] = await sql`SELECT ${true}::bool AS b, ${'x'}::text AS t, ${12}::int AS i, ${null}::int AS nothing, ${date}::timestamptz AS d,
      ${sql.json({ a: [1] })}::jsonb AS j, ${[1, 2]}::int[] AS l, ${Buffer.from([0, 255])}::bytea AS y, ${'9007199254740993'}::int8 AS h`
    assert.deepStrictEqual({ ...row, d: row.d.getTime() }, {
      b: true, t: 'x', i: 12, nothing: null, d: date.getTime(), j: { a: [1] }, l: [1, 2], y: Buffer.from([0, 255]), h: '9007199254740993',
    })
  })

  it('helps with inserts, updates, lists and identifiers', async () => {
    await sql`CREATE TEMP TABLE helped (id int, "odd Name" text)`
    await sql`INSERT INTO helped ${sql([{ id: 1, 'odd Name': 'a' }, { id: 2, 'odd Name': 'b' }])}`
    await sql`UPDATE helped SET ${sql({ 'odd Name': 'c' })} WHERE id IN ${sql([2, 3])}`
    assert.deepStrictEqual([...(await sql`SELECT ${sql('odd Name')} FROM helped ORDER BY id`)].map((row) => row['odd Name']), ['a', 'c'])
    const tail = sql`WHERE id = ${1}`
    assert.strictEqual((await sql`SELECT * FROM ${sql('helped')} ${tail}`).count, 1)
  })

  it('runs several statements of the simple protocol', async () => {
    const answers = await sql`SELECT 1 AS a; SELECT 2 AS b`.simple()
    assert.deepStrictEqual(answers.map((rows) => ({ ...rows[0] })), [{ a: 1 }, { b: 2 }])
    assert.strictEqual((await sql.unsafe('SELECT $1::int AS n', [3]))[0].n, 3)
    assert.strictEqual((await sql.unsafe('SELECT $1::int AS n', [4], { prepare: true }))[0].n, 4)
  })

  it('describes without running', async () => {
    const said = await sql`SELECT ${1}::int AS a, 'x'::text AS b`.describe()
    assert.deepStrictEqual([said.types, said.columns.map((column) => column.name)], [[23], ['a', 'b']])
  })

  it('begins, saves points, rolls back and pipelines a transaction', async () => {
    await sql`CREATE TEMP TABLE steps (n int)`
    await fails(sql.begin(async (sql) => {
      await sql`INSERT INTO steps VALUES (1)`
      await sql`SELECT 1 / 0`
    }), '22012')
    await sql.begin(async (sql) => {
      await sql`INSERT INTO steps VALUES (2)`
      await sql.savepoint(async (sql) => {
        await sql`INSERT INTO steps VALUES (3)`
        throw new Error('undone')
      }).catch(() => {})
    })
    await sql.begin((sql) => [sql`INSERT INTO steps VALUES (4)`, sql`INSERT INTO steps VALUES (5)`])
    await sql.begin('isolation level serializable read only', async (sql) => {
      assert.strictEqual((await sql`SHOW transaction_isolation`)[0].transaction_isolation, 'serializable')
    })
    assert.deepStrictEqual((await sql`SELECT n FROM steps ORDER BY n`).map((row) => row.n), [2, 4, 5])
  })

  it('reads a cursor in parts and leaves it early', async () => {
    const sizes = []
    await sql`SELECT * FROM generate_series(1, 25)`.cursor(10, (rows) => void sizes.push(rows.length))
    assert.deepStrictEqual(sizes, [10, 10, 5])
    for await (const [row] of sql`SELECT * FROM generate_series(1, 1000) AS n`.cursor()) if (row.n === 3) break
    await sql`SELECT generate_series(1, 1000)`.cursor(10, () => sql.CLOSE)
    assert.strictEqual((await sql`SELECT 1 AS n`)[0].n, 1)
  })

  it('takes rows one by one, raw, and as arrays', async () => {
    let sum = 0
    await sql`SELECT n FROM generate_series(1, 1000) n`.forEach((row) => (sum += row.n))
    assert.strictEqual(sum, 500500)
    assert.deepStrictEqual([...(await sql`SELECT 1, 'x'`.values())], [[1, 'x']])
    assert.strictEqual((await sql`SELECT 7`.raw())[0][0].toString(), '7')
  })

  it('copies in by a stream', async () => {
    await sql`CREATE TEMP TABLE lines (n int, line text)`
    const rows = Array.from({ length: 5000 }, (_, n) => `${n}\tline ${n}\n`)
    await pipeline(Readable.from(rows), await sql`COPY lines FROM STDIN`.writable())
    assert.strictEqual((await sql`SELECT count(*)::int AS n FROM lines`)[0].n, 5000)
  })

  it('listens and notifies', async () => {
    let hear
    const heard = new Promise((resolve) => (hear = resolve))
    const { unlisten } = await sql.listen('doors', hear)
    await sql.notify('doors', 'open')
    assert.strictEqual(await heard, 'open')
    await unlisten()
  })

  it('cancels a query that runs', async () => {
    const slow = sql`SELECT pg_sleep(20)`
    setTimeout(() => slow.cancel(), 300)
    await fails(slow, '57014')
    assert.strictEqual((await sql`SELECT 1 AS n`)[0].n, 1)
  })

  it('reserves a connection', async () => {
    const reserved = await sql.reserve()
    await reserved`SET application_name = 'mine'`
    assert.strictEqual((await reserved`SHOW application_name`)[0].application_name, 'mine')
    reserved.release()
  })

  it('keeps what it prepared when the table changes', async () => {
    await sql`CREATE TABLE IF NOT EXISTS changing (a int)`
    await sql`TRUNCATE changing`
    await sql`INSERT INTO changing VALUES (1)`
    for (let n = 0; n < 3; n++) await sql`SELECT * FROM changing`
    await sql`ALTER TABLE changing ADD COLUMN b int DEFAULT 2`
    const rows = await sql`SELECT * FROM changing`.catch((error) => error)
    await sql`DROP TABLE changing`
    assert.ok(rows.code === '0A000' || rows.length === 1)
  })

  it('sends start-up settings and gets parameters', async () => {
    const other = postgres({ max: 1, connection: { application_name: 'other', TimeZone: 'Asia/Tokyo', statement_timeout: 200 } })
    assert.strictEqual((await other`SHOW timezone`)[0].TimeZone, 'Asia/Tokyo')
    await fails(other`SELECT pg_sleep(20)`, '57014')
    assert.strictEqual(other.parameters.application_name, 'other')
    await other.end()
  })

  it('sends and gets large values', async () => {
    const large = 'é'.repeat(8 << 20)
    assert.strictEqual((await sql`SELECT ${large}::text AS t`)[0].t.length, large.length)
    const many = Array.from({ length: 5000 }, (_, n) => n)
    assert.strictEqual((await sql`SELECT count(*)::int AS n FROM unnest(${many}::int[]) n`)[0].n, 5000)
  })

  it('works without prepared statements', async () => {
    const plain = postgres({ max: 2, prepare: false })
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => plain`SELECT ${n}::int AS n`))
    assert.strictEqual(answers.length, 50)
    await plain.end()
  })
})
