-- Since when nobody waits for an upload any more: what the hub makes of it after that has to be taken back.
ALTER TABLE outbox ADD COLUMN abandoned_at timestamptz;
