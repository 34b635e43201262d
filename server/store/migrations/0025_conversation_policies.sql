-- How a conversation is drafted for and whether it is learned from. By its name in Messages and not by its row: the policy
-- stays when the conversation's messages are deleted and new ones come.
create table conversation_policies (
  account_id uuid not null references accounts on delete cascade,
  imessage_id text not null,
  drafting text not null default 'on_demand' check (drafting in ('off', 'on_demand', 'automatic')),
  never_train boolean not null default false,
  primary key (account_id, imessage_id)
);
