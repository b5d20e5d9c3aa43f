INSERT INTO colours VALUES ('red'), ('Green'), ('blue');
