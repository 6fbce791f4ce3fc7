-- What is looked for among much else: anomalies of a stream, cases of a kind, deliveries of a type.
create index anomaly_stream_idx on anomalies.anomaly (book_id, stream, ordinal, detector);
create index case_file_kind_idx on cases.case_file (book_id, kind, id);
create index delivery_type_idx on delivery.delivery (book_id, endpoint_id, type, seq);

-- How many times in a row all that waited for an endpoint was given up, and nothing has arrived in between.
alter table delivery.drive add column given_up integer not null default 0;
