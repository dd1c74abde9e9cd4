CREATE TABLE bodies (
        number INTEGER PRIMARY KEY,
        body BLOB NOT NULL
    ) STRICT;
CREATE TABLE connections (
        connection_id BLOB NOT NULL PRIMARY KEY,
        user BLOB NOT NULL,
        kind INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        is_joiner INTEGER NOT NULL,
        agent_version INTEGER NOT NULL,
        pq INTEGER NOT NULL,
        info BLOB,
        is_requester INTEGER NOT NULL,
        decides INTEGER NOT NULL,
        client_data BLOB,
        contact_kind BLOB NOT NULL,
        link BLOB,
        link_hash BLOB,
        link_key BLOB,
        address BLOB,
        request BLOB,
        confirmation_id BLOB,
        reply_queue BLOB,
        x3dh BLOB,
        ratchet BLOB,
        ready INTEGER NOT NULL,
        last_message_id INTEGER NOT NULL,
        last_sent INTEGER NOT NULL,
        last_received INTEGER NOT NULL,
        sent_hash BLOB NOT NULL,
        received_hash BLOB NOT NULL,
        synchrony INTEGER NOT NULL,
        own_keys BLOB,
        own_keys_at INTEGER NOT NULL,
        earlier_keys BLOB,
        answers INTEGER NOT NULL,
        key_number INTEGER NOT NULL,
        old_ratchet BLOB,
        other_ratchet BLOB,
        peer_key_hash BLOB,
        asked_keys BLOB,
        deletion INTEGER NOT NULL,
        notify INTEGER NOT NULL,
        rotation_ended_at INTEGER NOT NULL,
        has_work INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
CREATE TABLE deleted_files (
        file_id BLOB NOT NULL PRIMARY KEY,
        user BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        is_told INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
CREATE TABLE deleted_packets (
        file_id BLOB NOT NULL REFERENCES deleted_files ON DELETE CASCADE
            DEFERRABLE INITIALLY DEFERRED,
        server BLOB NOT NULL,
        sender_id BLOB NOT NULL,
        key BLOB NOT NULL,
        PRIMARY KEY (file_id, server, sender_id)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE deliveries (
        connection_id BLOB NOT NULL REFERENCES connections ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        queue INTEGER NOT NULL,
        message_id INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        notify INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        nonce BLOB NOT NULL,
        plaintext BLOB NOT NULL,
        body INTEGER REFERENCES bodies DEFERRABLE INITIALLY DEFERRED,
        sending_key BLOB,
        padded_length INTEGER NOT NULL,
        first_failure REAL,
        wait REAL,
        problem BLOB,
        is_held INTEGER NOT NULL,
        is_taken INTEGER NOT NULL,
        PRIMARY KEY (connection_id, queue, message_id)
    ) STRICT;
CREATE TABLE early_arrivals (
        connection_id BLOB NOT NULL REFERENCES connections ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        queue INTEGER NOT NULL,
        broker_id BLOB NOT NULL,
        timestamp INTEGER NOT NULL,
        body BLOB NOT NULL,
        sender_message_id INTEGER NOT NULL,
        waits_since INTEGER NOT NULL,
        PRIMARY KEY (connection_id, queue)
    ) STRICT;
CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        connection_id BLOB NOT NULL,
        message_id INTEGER,
        kind BLOB NOT NULL,
        content BLOB NOT NULL
    ) STRICT;
CREATE TABLE incoming_files (
        file_id BLOB NOT NULL PRIMARY KEY,
        user BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        folder BLOB NOT NULL,
        name BLOB,
        asked BLOB NOT NULL,
        acknowledges INTEGER NOT NULL,
        approval INTEGER NOT NULL,
        status INTEGER NOT NULL,
        found BLOB,
        placed_name BLOB,
        problem BLOB
    ) STRICT;
CREATE TABLE kept (
        space BLOB NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (space, key)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE last_commit (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        state BLOB NOT NULL
    );
CREATE TABLE leaving_users (user BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE looked_links (
        user BLOB NOT NULL,
        link_hash BLOB NOT NULL,
        link_key BLOB NOT NULL,
        looked_at INTEGER NOT NULL,
        PRIMARY KEY (user, link_hash)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE old_subscriptions (
        token BLOB NOT NULL,
        subscription_id BLOB NOT NULL,
        PRIMARY KEY (token, subscription_id)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE outgoing_files (
        file_id BLOB NOT NULL PRIMARY KEY,
        user BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        path BLOB NOT NULL,
        plan BLOB NOT NULL,
        redirect INTEGER NOT NULL,
        status INTEGER NOT NULL,
        digest BLOB,
        problem BLOB,
        parent_id BLOB REFERENCES outgoing_files ON DELETE CASCADE
            DEFERRABLE INITIALLY DEFERRED,
        position INTEGER NOT NULL,
        description BLOB,
        own_description BLOB
    ) STRICT;
CREATE TABLE postponed_work (
        connection_id BLOB NOT NULL REFERENCES connections ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        kind BLOB NOT NULL,
        queue INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        first_failure REAL NOT NULL,
        wait REAL NOT NULL,
        problem BLOB,
        PRIMARY KEY (connection_id, kind, queue)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE push_tokens (
        name BLOB NOT NULL PRIMARY KEY,
        server BLOB NOT NULL,
        provider BLOB NOT NULL,
        device BLOB NOT NULL,
        mode INTEGER NOT NULL,
        minutes INTEGER NOT NULL,
        auth_key BLOB NOT NULL,
        dh_key BLOB NOT NULL,
        token_id BLOB NOT NULL,
        push_key BLOB,
        state BLOB NOT NULL,
        reason BLOB,
        registration_due INTEGER NOT NULL,
        device_due INTEGER NOT NULL,
        sealed_code BLOB,
        code BLOB,
        minutes_due INTEGER NOT NULL,
        check_due INTEGER NOT NULL,
        is_deleted INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
CREATE TABLE received_messages (
        connection_id BLOB NOT NULL REFERENCES connections ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        message_id INTEGER NOT NULL,
        queue INTEGER NOT NULL,
        sender_message_id INTEGER NOT NULL,
        message_hash BLOB NOT NULL,
        PRIMARY KEY (connection_id, message_id)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE receiving_queues (
        connection_id BLOB NOT NULL REFERENCES connections ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        number INTEGER NOT NULL,
        mode BLOB,
        auth_key BLOB NOT NULL,
        e2e_key BLOB NOT NULL,
        client_version INTEGER NOT NULL,
        status INTEGER NOT NULL,
        server BLOB,
        recipient_id BLOB NOT NULL,
        sender_id BLOB NOT NULL,
        delivery_key BLOB,
        e2e_secret BLOB,
        sender_key BLOB,
        broker_id BLOB NOT NULL,
        acknowledgement INTEGER NOT NULL,
        held_message_id INTEGER NOT NULL,
        suspension INTEGER NOT NULL,
        is_deleted INTEGER NOT NULL,
        replaces INTEGER NOT NULL,
        awaits_key INTEGER NOT NULL,
        wants_link INTEGER NOT NULL,
        link_data BLOB NOT NULL,
        link_due INTEGER NOT NULL,
        root_key BLOB,
        link_id BLOB,
        link_secret BLOB,
        sealed_fixed BLOB,
        correlation_id BLOB,
        broker_timestamp INTEGER NOT NULL,
        notifier_key BLOB,
        notifier_id BLOB NOT NULL,
        notifier_secret BLOB,
        subscription_id BLOB NOT NULL,
        notify_due_at INTEGER NOT NULL,
        PRIMARY KEY (connection_id, number)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE requests (
        request_id BLOB NOT NULL PRIMARY KEY,
        address_id BLOB NOT NULL REFERENCES connections ON DELETE CASCADE
            DEFERRABLE INITIALLY DEFERRED,
        invitation BLOB NOT NULL,
        info BLOB NOT NULL,
        envelope_hash BLOB NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
CREATE TABLE router_counts (
        server BLOB NOT NULL,
        name BLOB NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (server, name)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE seen_messages (
        connection_id BLOB NOT NULL REFERENCES connections ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        encrypted_hash BLOB NOT NULL,
        seen_at INTEGER NOT NULL,
        PRIMARY KEY (connection_id, encrypted_hash)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE sending_queues (
        connection_id BLOB NOT NULL REFERENCES connections ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        number INTEGER NOT NULL,
        server BLOB NOT NULL,
        sender_id BLOB NOT NULL,
        mode BLOB,
        auth_key BLOB NOT NULL,
        e2e_key BLOB NOT NULL,
        e2e_secret BLOB NOT NULL,
        client_version INTEGER NOT NULL,
        status INTEGER NOT NULL,
        replaces INTEGER NOT NULL,
        PRIMARY KEY (connection_id, number)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE sent_messages (
        connection_id BLOB NOT NULL REFERENCES connections ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        message_id INTEGER NOT NULL,
        sender_message_id INTEGER NOT NULL,
        message_hash BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        is_disputed INTEGER NOT NULL,
        PRIMARY KEY (connection_id, sender_message_id)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE silent_routers (
        server BLOB NOT NULL PRIMARY KEY,
        since INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
CREATE TABLE skipped_keys (
        connection_id BLOB NOT NULL REFERENCES connections ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        header_key BLOB NOT NULL,
        number INTEGER NOT NULL,
        message_key BLOB NOT NULL,
        iv BLOB NOT NULL,
        since INTEGER NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (connection_id, header_key, number)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE uploaded_packets (
        file_id BLOB NOT NULL REFERENCES outgoing_files ON DELETE CASCADE
            DEFERRABLE INITIALLY DEFERRED,
        number INTEGER NOT NULL,
        sender_id BLOB NOT NULL,
        stored BLOB NOT NULL,
        is_uploaded INTEGER NOT NULL,
        PRIMARY KEY (file_id, number, sender_id)
    ) STRICT;
CREATE INDEX connections_by_deletion ON connections (deletion);
CREATE INDEX connections_by_link ON connections (link_hash) WHERE link_hash IS NOT NULL;
CREATE INDEX connections_by_synchrony ON connections (synchrony);
CREATE INDEX connections_by_user ON connections (user);
CREATE INDEX connections_with_work ON connections (has_work) WHERE has_work;
CREATE INDEX deliveries_of_body ON deliveries (body) WHERE body IS NOT NULL;
CREATE INDEX events_of_messages ON events (connection_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX limited_events ON events (connection_id) WHERE kind IN (x'526563656976696e6750726f626c656d', x'5365637572697479436f64654368616e676564');
CREATE INDEX looked_links_by_age ON looked_links (looked_at);
CREATE INDEX moves ON events (connection_id) WHERE kind = x'526f746174696f6e50726f6772657373';
CREATE INDEX muted_connections ON connections (notify) WHERE NOT notify;
CREATE INDEX outgoing_files_of_file ON outgoing_files (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX queues_by_notifier ON receiving_queues (notifier_id) WHERE notifier_id != x'';
CREATE INDEX queues_to_notify ON receiving_queues (notify_due_at);
CREATE INDEX requests_of_address ON requests (address_id);
CREATE INDEX seen_messages_by_age ON seen_messages (seen_at);
CREATE INDEX sent_messages_by_age ON sent_messages (created_at);
