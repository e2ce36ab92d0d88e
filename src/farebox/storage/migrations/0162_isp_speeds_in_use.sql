-- A speed that a package, or somebody's own policy, chooses does not go away under it (isp.md 4.9).
-- Policies are documents, so no foreign key says so.

create function isp.keep_speeds_in_use() returns trigger language plpgsql as $$
declare
  chosen jsonb := to_jsonb(old.id);
begin
  if exists (select from isp.profile
              where policy -> 'first' = chosen or policy -> 'second' = chosen)
     or exists (select from isp.quota_override
                 where kind = 'bandwidth'
                   and (policy -> 'first' = chosen or policy -> 'second' = chosen)) then
    raise foreign_key_violation using
      message = 'the speed is in use', table = 'profile', schema = 'isp';
  end if;
  return old;
end
$$;
create trigger bandwidth_template_in_use before delete on isp.bandwidth_template
  for each row execute function isp.keep_speeds_in_use();
