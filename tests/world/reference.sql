INSERT INTO regions VALUES (1, 'Österreich', 83.87, '1918-11-12'), (2, 'Oman', 309.50, NULL), (3, 'ostrava', NULL, '1267-01-01'), (4, 'Åland', 1580.00, '1921-06-27'), (5, 'zug', 238.70, '1999-12-31');
INSERT INTO currencies VALUES ('EUR', 'euro', 1.0000, true), ('usd', 'Dollar', 1.0825, true), ('XAU', 'gold', 2400.5000, NULL), ('_x', NULL, NULL, false);
INSERT INTO kinds VALUES (1, 'login', 'fine', '{1,2,3}'), (2, 'Logout', 'sad', '{}'), (3, 'click', NULL, NULL), (4, 'buy', 'happy', '{5,NULL,7}');
