-- People that the owner deleted: what they wrote until then is not stored again, nor are their contacts and reactions.
create table deleted_people (
  account_id uuid not null references accounts on delete cascade,
  address text not null,
  sent_until timestamptz(3) not null,
  primary key (account_id, address)
);

-- Reactions without those of deleted people.
create function kept_reactions(account uuid, reactions jsonb) returns jsonb language sql stable as $$
  select case
    when not exists (select from deleted_people where account_id = account) then reactions
    else (
      select coalesce(jsonb_agg(reaction order by place), '[]')
      from jsonb_array_elements(reactions) with ordinality as each_one(reaction, place)
      where not exists (
        select from deleted_people
        where account_id = account and address = lower(reaction ->> 'senderId')))
  end
$$;
