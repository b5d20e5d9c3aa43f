INSERT INTO countries VALUES ('de', 'Germany', 'Europe', 83000000), ('fr', 'France', 'Europe', 68000000), ('jp', 'Japan', 'Asia', 124000000), ('ke', 'Kenya', 'Africa', 55000000), ('aq', 'Antarctica', NULL, NULL);
INSERT INTO plans (plan_id, name, price, made_at) VALUES (1, 'free', 0, '2020-01-01'), (2, 'Team', 19.90, '2020-01-02'), (3, 'enterprise', 499.00, '2020-01-03');
ALTER SEQUENCE plans_plan_id_seq START 100 RESTART 100;
