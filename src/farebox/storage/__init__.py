"""PostgreSQL, the only truth: server, pool, statements, migrations, one store per shared noun."""
