-- Events that ended long ago are found without looking at all of them (iptv.md 4.2).

create index event_ended on iptv.event (ended_at_ms) where ended_at_ms is not null;
