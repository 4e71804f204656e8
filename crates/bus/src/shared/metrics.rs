//! Names of the shared bus's metrics.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const CONNECTED: &str = "songkeep_bus_connected";
const RECONNECTS: &str = "songkeep_bus_reconnects_total";
const DROPPED: &str = "songkeep_bus_dropped_total";

pub(super) fn describe() {
    describe_gauge!(CONNECTED, "1 while this process is connected to Redis, else 0");
    describe_counter!(RECONNECTS, "Connections to Redis made after the first");
    describe_counter!(DROPPED, "Notices that other processes were not told: Redis was away or too slow");
    connected(false);
    counter!(RECONNECTS).increment(0);
    dropped(0);
}

pub(super) fn connected(yes: bool) {
    gauge!(CONNECTED).set(if yes { 1.0 } else { 0.0 });
}

pub(super) fn reconnected() {
    counter!(RECONNECTS).increment(1);
}

pub(super) fn dropped(notices: u64) {
    counter!(DROPPED).increment(notices);
}
