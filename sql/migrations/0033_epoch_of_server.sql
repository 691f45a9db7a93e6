-- An epoch of events is a run of the server that wrote them, known by its start. Asking for it reads no file, unlike asking
-- for the cluster's identifier, and it also tells apart what a restored copy of the files would not.
ALTER TABLE event_epoch
    ADD COLUMN server_started_at timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE event_epoch
    ALTER COLUMN server_started_at DROP DEFAULT;
ALTER TABLE event_epoch
    DROP COLUMN cluster;
DROP FUNCTION cluster_id();
