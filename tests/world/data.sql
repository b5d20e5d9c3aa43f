-- {of_t} is the key of tenant number t. Sums of floats are exact in any order: the values are multiples of a quarter.
INSERT INTO tenants SELECT {of_t}, (ARRAY['acme', 'Banana', 'cherry', 'Äpfel', 'zebra', 'Émile', NULL])[1 + t % 7] || ' ' || t % 5, CASE WHEN t % 6 = 0 THEN NULL ELSE 1 + t % 5 END,
    date '2021-01-01' + t % 4 * 100, (ARRAY[true, false, NULL])[1 + t % 3] FROM generate_series(1, 12) t;
INSERT INTO users SELECT {of_t}, u, (ARRAY['ann', 'Bob', 'Ångström', 'zoe', 'Zoë', 'émile', 'Ann'])[1 + (t + u) % 7], (ARRAY['a', 'B', 'c', 'É', 'z', '_'])[1 + (t * u) % 6],
    CASE WHEN (t + u) % 9 = 0 THEN NULL ELSE (t * 7 + u * 3) % 11 END, CASE WHEN u % 6 = 0 THEN NULL ELSE (t * 25.25 - u * 40)::numeric(12, 2) END,
    CASE WHEN (t * u) % 7 = 0 THEN NULL ELSE (t - u * 2) * 0.25 END, (ARRAY['sad', 'fine', 'happy', 'awful', NULL])[1 + (t + u) % 5]::mood,
    CASE WHEN u % 4 = 0 THEN NULL ELSE ARRAY['t' || t % 3, 'u' || u, NULL] END, CASE WHEN u = 3 THEN NULL ELSE jsonb_build_object('n', u, 'x', t % 4, 'k', ARRAY['a', 'b', NULL, 'É'])::jsonb || jsonb_build_object('k', (ARRAY['p', 'Q', 'r'])[1 + t % 3]) END,
    (ARRAY[true, false, NULL])[1 + (t + u) % 3], date '1999-12-20' + t * 5 + u - CASE WHEN u = 3 THEN 40000 ELSE 0 END,
    CASE u % 4 WHEN 0 THEN interval '1 day' WHEN 1 THEN interval '24 hours' WHEN 2 THEN NULL ELSE make_interval(months => t % 3, hours => u) END,
    timestamptz '2024-06-01 12:00+00' + (t * 31 + u) % 40 * interval '1 hour', (ARRAY[1, 2, 3, NULL, 9])[1 + (t * u) % 5] FROM generate_series(1, 12) t, generate_series(1, 6) u WHERE t <> 11;
INSERT INTO orders SELECT {of_t}, o, CASE WHEN o % 7 = 0 THEN NULL ELSE 1 + o % 8 END, (ARRAY['new', 'Paid', 'shipped', 'paid', NULL])[1 + (t + o) % 5], CASE WHEN o % 8 = 0 THEN NULL ELSE round(t % 5 * 13 + o * 7.77, 2) END,
    (t + o) % 5, timestamp '2024-02-01 08:00' + t * o % 30 * interval '3 hours', (ARRAY['EUR', 'usd', 'XAU', NULL])[1 + (t * o) % 4], (ARRAY['Straße', 'strasse', 'STRASSE', 'x', NULL])[1 + (t + o) % 5]
    FROM generate_series(1, 12) t, generate_series(1, 8) o WHERE t <> 7;
INSERT INTO lines (tenant_id, order_id, line_no, product, price, amount, spans) SELECT {of_t}, o, n, 'p' || (t + o * n) % 6, CASE WHEN (o + n) % 5 = 0 THEN NULL ELSE (o * 1.10 + n)::numeric(12, 2) END, (t + n) % 4,
    CASE WHEN n = 2 THEN 'empty'::int4range ELSE int4range(o, o + n) END FROM generate_series(1, 12) t, generate_series(1, 6) o, generate_series(1, 2) n WHERE t <> 7 AND (t + o) % 3 <> 0;
INSERT INTO tasks SELECT {of_t}, md5('task ' || t || '.' || n)::uuid, CASE WHEN n = 5 THEN NULL ELSE 1 + n % 4 END, 'Task ' || (ARRAY['a', 'B', 'ä'])[1 + n % 3], n % 3 = 0, date '2025-01-01' + (t + n) % 10,
    (t * n) % 101, CASE WHEN n = 2 THEN NULL ELSE (t + n) % 3 END FROM generate_series(1, 12) t, generate_series(1, 5) n;
INSERT INTO events SELECT {of_t}, n, CASE WHEN n = 4 THEN NULL ELSE 1 + (t + n) % 5 END, timestamptz '2024-03-31 00:30+00' + n * interval '1 hour', jsonb_build_object('k', n % 2, 'v', t * 1.50),
    decode(md5((t % 3)::text), 'hex'), CASE WHEN n = 5 THEN 4000000000000000 + t ELSE n * t END FROM generate_series(1, 12) t, generate_series(1, 6) n;
INSERT INTO accounts SELECT {of_t}, n, n + 1, CASE (t + n) % 6 WHEN 0 THEN NULL WHEN 1 THEN 1.0 WHEN 2 THEN 1.00 WHEN 3 THEN t * 100.125 WHEN 4 THEN 'NaN' ELSE -t * 0.001 END, date '2020-02-28' + n, ARRAY['sad', 'happy']::mood[]
    FROM generate_series(1, 12) t, generate_series(1, 3) n;
INSERT INTO payments SELECT {of_t}, n, CASE WHEN n = 4 THEN NULL ELSE 1 + n % 3 END, 1 + n * t % 9, CASE WHEN n = 3 THEN NULL ELSE (n * 10 - t * 5)::numeric(12, 2) END, timestamptz '2024-03-31 00:30+00' + n * interval '25 hours',
    (ARRAY['awful', 'sad', NULL, 'fine'])[1 + (t * n) % 4]::mood FROM generate_series(1, 12) t, generate_series(1, 5) n;
INSERT INTO notes SELECT {of_t}, md5('note ' || t || '.' || n)::uuid, n, CASE WHEN n = 3 THEN NULL ELSE 'note ' || chr(96 + (t + n) % 20) || E'\n"' || t % 4 END, CASE WHEN n = 2 THEN '{}' ELSE ARRAY['w' || t % 3, 'W' || n] END, (t + n) % 2 = 0,
    CASE WHEN n = 1 THEN NULL ELSE timestamptz '1970-01-01' + t % 5 * interval '1 month' END,
    CASE n WHEN 1 THEN '{}' WHEN 2 THEN '{[1,4)}' WHEN 3 THEN NULL ELSE format('{[%s,%s),[20,30)}', n, n + t) END::int4multirange,
    CASE n WHEN 1 THEN ROW('High ' || t % 3, t)::place WHEN 2 THEN ROW(NULL, n)::place WHEN 4 THEN ROW('', NULL)::place END FROM generate_series(1, 12) t, generate_series(1, 4) n;
INSERT INTO metrics SELECT {of_t}, date '2024-02-28' + d, (ARRAY['cpu', 'RAM'])[1 + n], CASE (t + d + n) % 5 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN 0 WHEN 3 THEN NULL ELSE t / 3.0 END, ARRAY[t, d, n]
    FROM generate_series(1, 12) t, generate_series(0, 2) d, generate_series(0, 1) n;
INSERT INTO members SELECT {of_t}, g, u, (ARRAY['admin', 'Reader', NULL])[1 + (g + u) % 3], date '2022-01-01' + g * 10 FROM generate_series(1, 12) t, generate_series(1, 2) g, generate_series(1, 4) u WHERE (t + g + u) % 2 = 0;
INSERT INTO visits SELECT {of_t}, n, (ARRAY['/Home', '/home', '/b', '/É', NULL])[1 + (t + n) % 5], CASE WHEN n = 4 THEN NULL ELSE t * n % 13 END FROM generate_series(1, 12) t, generate_series(1, 4) n;
INSERT INTO long_visits SELECT {of_t}, 1000 + n, (ARRAY['/HOME', '/b', '/c'])[1 + (t + n) % 3], 100 * n, t % 4 + 0.5 FROM generate_series(1, 12) t, generate_series(1, 2) n;
