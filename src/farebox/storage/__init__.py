"""PostgreSQL, the only truth: server, pool, named statements, migrations, one store per shared noun."""
