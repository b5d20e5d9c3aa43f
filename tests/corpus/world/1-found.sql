-- What the random tests found, over the tables of tests/world.
begin isolation level repeatable read; select count(*) from users; delete from notes where tenant_id in ({a}, {b}); commit --: simple
begin isolation level repeatable read; update notes set body = 'x' where tenant_id in ({a}, {b}); select count(*) from notes where body = 'x'; commit --: simple
prepare typed(int) as select 'p' || $1, count(*) from users where score > $1; execute typed(3); deallocate typed --: simple
