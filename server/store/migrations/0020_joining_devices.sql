-- Devices that asked to join the owner's account: they never get one of their own.
alter table devices add column joins boolean not null default false;
