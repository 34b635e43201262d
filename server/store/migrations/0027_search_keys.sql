-- The search's index over keys that the server makes of a text: trigrams that PostgreSQL made of it took longer than all
-- else of storing a message.
-- Messages are written anew once, a minute or two for a million; nothing reads or writes them meanwhile.

-- The keys of a text, as searchKeysOf in server/store/messages/search_keys.ts has them: each once, null for none.
create function search_keys(value text) returns int[]
  language sql immutable strict parallel safe cost 1000 as $$
  select array_agg(distinct key) from (
    select case
        when code >= x'2190'::int then code
        when least(code, last, second_last) > 0 then (second_last << 16) # (last << 8) # code
      end as key
    from (
      select code, lag(code) over w as last, lag(code, 2) over w as second_last
      from (
        -- What parts words, and no sign, is the negative of its number.
        select position, case when letter in (' ', e'\t', e'\n', e'\r') then -ascii(letter) else ascii(letter) end as code
        from unnest(string_to_array(lower(value), null)) with ordinality as letters (letter, position)
      ) as codes
      window w as (order by position)
    ) as triples
    where code >= x'2190'::int or greatest(last, second_last) < x'2190'::int
  ) as keys
  where key is not null
$$;

drop index messages_search;
alter table messages add column search_keys int[];
alter table messages alter column search_keys type int[] using search_keys(text);
create index messages_search on messages using gin (search_keys);
analyze messages;
