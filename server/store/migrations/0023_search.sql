-- Search in the texts of messages: a part of a word finds it, by pg_trgm's trigrams.
-- Building both reads messages twice, about half a minute for a million; nothing is written to them meanwhile.

create extension if not exists pg_trgm;

-- What of a text is searched: lower case, and each symbol, emoji and sign of a script without spaces as a word of its own
-- that begins with its number. pg_trgm looks up no part of a word of fewer than three letters, and where LC_CTYPE is C, as in
-- the embedded PostgreSQL, no letter but those of ASCII. The number is in capitals, which no other text has here, and the
-- sign follows: so a part is found where it is, and nowhere else.
create function search_text(value text) returns text
  language plpgsql immutable strict parallel safe cost 100 as $$
begin
  if value !~ '[\u2190-\U0010ffff]' then
    return lower(value);
  end if;
  return (
    select string_agg(
      case when ascii(part[1]) < x'2190'::int then part[1]
        else ' ' || translate(to_hex(ascii(part[1])), '0123456789abcdef', 'GHIJKLMNOPABCDEF') || part[1] || ' ' end, '')
    from regexp_matches(lower(value), '[^\u2190-\U0010ffff]+|[\u2190-\U0010ffff]', 'g') as part
  );
end $$;

-- Of all messages: statistics of an expression, which the planner estimates matches by, come from no partial index.
create index messages_search on messages using gin (search_text(text) gin_trgm_ops);
-- What is in many messages is found by going back in time until there are enough.
create index messages_recent on messages (account_id, sent_at, id)
  where text <> '' and retracted_at is null;
-- Otherwise the planner has those statistics only when a tenth of a large table has changed.
analyze messages;
