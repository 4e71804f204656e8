//! Addresses of media: who may fetch what until when. The counterpart of `base.js`.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    hmac::{HMAC_SHA256, Key, sign},
    rand::SystemRandom,
};
use url::form_urlencoded::Serializer;

use super::catalog::{Format, Video};

const LIFETIME_SEC: u64 = 6 * 3600;

/// What asks for a player: only browsers and televisions have to run JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientKind {
    /// Its addresses have a scrambled signature and an unsolved challenge.
    Script,
    /// Its addresses work as they are.
    App,
}

impl ClientKind {
    pub(super) fn of(client_name: &str) -> Self {
        let script = ["WEB", "MWEB", "TVHTML5", "TVHTML5_SIMPLY"];
        if client_name.starts_with("WEB_") || script.contains(&client_name) {
            Self::Script
        } else {
            Self::App
        }
    }
}

/// Where the bytes of a format are.
pub(super) enum Address {
    Plain(String),
    /// Form-encoded `s`, `sp` and `url`, as the player hands it to its script.
    Ciphered(String),
}

pub(super) struct Signatures(Key);

impl Signatures {
    pub(super) fn new() -> anyhow::Result<Self> {
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new());
        key.map(Self).map_err(|_| anyhow::anyhow!("the system has no randomness"))
    }

    /// `seconds` is what the address says of the length.
    pub(super) fn address(&self, video: &Video, format: Format, client: &str, seconds: f64) -> Address {
        let kind = ClientKind::of(client);
        let expire = (now() + LIFETIME_SEC).to_string();
        let itag = format.itag().to_string();
        let mut query = Serializer::new(String::new());
        query.extend_pairs([
            ("expire", expire.as_str()),
            ("itag", &itag),
            ("id", &video.id),
            ("c", client),
            ("source", "youtube"),
            ("mime", format.media_type()),
            ("clen", &video.media.size_bytes(format).to_string()),
            ("dur", &format!("{seconds:.3}")),
            ("lmt", "1"),
        ]);
        let challenge = self.challenge(&video.id, &expire);
        if kind == ClientKind::Script {
            query.append_pair("n", &challenge);
        }
        let url = format!("https://rr1---sn-fake.googlevideo.com/videoplayback?{}", query.finish());
        let signature = self.signature(&expire, &itag, &video.id, client);
        match kind {
            ClientKind::App => Address::Plain(format!("{url}&sig={signature}")),
            ClientKind::Script => {
                let scrambled = format!("xyz{}", turned_round(&signature));
                let pairs = [("s", scrambled.as_str()), ("sp", "sig"), ("url", &url)];
                Address::Ciphered(Serializer::new(String::new()).extend_pairs(pairs).finish())
            }
        }
    }

    /// Whether an address is one of ours, unexpired, with its riddles solved.
    pub(super) fn is_genuine(&self, query: &HashMap<String, String>) -> bool {
        let get = |name: &str| query.get(name).map_or("", String::as_str);
        let (expire, client) = (get("expire"), get("c"));
        let unexpired = expire.parse::<u64>().is_ok_and(|expire| expire >= now());
        let signed = get("sig") == self.signature(expire, get("itag"), get("id"), client);
        let solved = ClientKind::of(client) == ClientKind::App
            || get("n") == format!("{}Zz", turned_round(&self.challenge(get("id"), expire)));
        unexpired && signed && solved
    }

    fn challenge(&self, id: &str, expire: &str) -> String {
        hex::encode(&sign(&self.0, format!("n {id} {expire}").as_bytes()).as_ref()[..8])
    }

    fn signature(&self, expire: &str, itag: &str, id: &str, client: &str) -> String {
        hex::encode(sign(&self.0, format!("sig {expire} {itag} {id} {client}").as_bytes()))
    }
}

fn turned_round(text: &str) -> String {
    text.chars().rev().collect()
}

/// Unix time in seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
