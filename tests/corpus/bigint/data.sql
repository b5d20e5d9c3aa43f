INSERT INTO tenants SELECT t, (ARRAY['acme', 'Banana', 'cherry', 'Äpfel', 'zebra', 'Émile'])[1 + t % 6] || ' ' || t, (ARRAY['free', 'Team', 'enterprise'])[1 + t % 3],
    (ARRAY['de', 'fr', 'jp', 'ke'])[1 + t % 4], timestamptz '2024-01-01' + t * interval '1 day' FROM generate_series(1, 16) t;
INSERT INTO users SELECT t, u, CASE WHEN u % 7 = 0 THEN NULL ELSE 'U' || t || '.' || u || '@Example.com' END, (ARRAY['ann', 'Bob', 'Ångström', 'zoe', 'Zoë', 'émile', 'Cid'])[1 + (t + u) % 7],
    (ARRAY['a', 'B', 'c', 'É', 'z', '_'])[1 + (t * u) % 6], CASE WHEN (t + u) % 9 = 0 THEN NULL ELSE (t * 7 + u * 3) % 11 END,
    CASE u % 6 WHEN 0 THEN NULL WHEN 1 THEN 1.0 WHEN 2 THEN 1.00 WHEN 3 THEN (t * 100.125)::numeric WHEN 4 THEN 'NaN' ELSE -t * 0.001 END,
    CASE u % 5 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN '0' WHEN 3 THEN t / 3.0 ELSE NULL END,
    (ARRAY['sad', 'fine', 'happy', 'awful', NULL])[1 + (t + u) % 5]::mood, CASE WHEN u % 4 = 0 THEN NULL ELSE ARRAY['t' || t % 3, 'u' || u] END,
    jsonb_build_object('n', u, 'x', t % 4), (ARRAY['de', 'fr', 'jp', 'ke', NULL])[1 + (t * u) % 5], (t + u) % 3 <> 0,
    date '1999-12-20' + (t * 5 + u)::int - CASE WHEN u = 3 THEN 40000 ELSE 0 END, make_interval(days => (t % 3)::int, hours => (u * 12)::int),
    timestamptz '2024-06-01 12:00+00' + (t * 31 + u) * interval '1 hour' FROM generate_series(1, 16) t, generate_series(1, 8) u;
INSERT INTO orders SELECT t, o, 1 + o % 9, (ARRAY['new', 'Paid', 'shipped', 'paid'])[1 + (t + o) % 4], CASE WHEN o % 8 = 0 THEN NULL ELSE round((t * 13 + o * 7.77), 2) END,
    (t + o) % 5, timestamp '2024-02-01 08:00' + (t * o) * interval '3 hours' FROM generate_series(1, 16) t, generate_series(1, 12) o WHERE t <> 13;
INSERT INTO tasks SELECT t, n, 1 + n % 8, 'task ' || n % 4, n % 3 = 0, date '2025-01-01' + ((t + n) % 10)::int FROM generate_series(1, 16) t, generate_series(1, 6) n;
INSERT INTO events SELECT t, (ARRAY['login', 'Logout', 'click'])[1 + (t + n) % 3], jsonb_build_object('k', n % 2), CASE WHEN n = 5 THEN 9000000000000000000 ELSE n * t END,
    timestamptz '2024-03-31 00:30+00' + n * interval '1 hour' FROM generate_series(1, 16) t, generate_series(1, 5) n;
