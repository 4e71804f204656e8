//! Who the client is: proxies whose word counts, and what they say of the address behind them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

/// Addresses of proxies whose `X-Forwarded-*` are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// An entry is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an IP address nor a network such as 10.0.0.0/8 or fd00::/8")]
pub struct InvalidProxy(pub String);

impl TrustedProxies {
    /// Addresses and networks (`127.0.0.1`, `10.0.0.0/8`, `fd00::/8`).
    ///
    /// # Errors
    /// At the first entry that is neither.
    pub fn parse(entries: &[String]) -> Result<Self, InvalidProxy> {
        entries
            .iter()
            .map(|entry| Network::parse(entry.trim()).ok_or_else(|| InvalidProxy(entry.clone())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let bits = bits(ip.to_canonical());
        self.0.iter().any(|network| network.contains(bits))
    }
}

/// A network in the IPv6 address space; IPv4 lies in its mapped corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    bits: u128,
    mask: u128,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (ip, length) = match text.split_once('/') {
            Some((ip, length)) => (ip, Some(length)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().ok()?;
        let width: u32 = if ip.is_ipv4() { 32 } else { 128 };
        let length: u32 = match length {
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => length.parse().ok()?,
            Some(_) => return None,
            None => width,
        };
        let host_bits = width.checked_sub(length)?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self { bits: bits(ip) & mask, mask })
    }

    fn contains(self, bits: u128) -> bool {
        bits & self.mask == self.bits
    }
}

fn bits(ip: IpAddr) -> u128 {
    let ip: Ipv6Addr = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    u128::from(ip)
}

/// The client behind a trusted peer: the rightmost address of `X-Forwarded-For` that is no trusted
/// proxy. What stands to its left was written by the client and may be anything.
pub(crate) fn forwarded_client(headers: &HeaderMap, proxies: &TrustedProxies) -> Option<IpAddr> {
    let mut client = None;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(text) = value.to_str() else { return client };
        for hop in text.rsplit(',') {
            let Some(ip) = parse_hop(hop) else { return client };
            client = Some(ip);
            if !proxies.contains(ip) {
                return client;
            }
        }
    }
    client
}

/// An address with or without brackets and port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(IpAddr::to_canonical(&ip))
}

/// The last value of a list header that a trusted peer sets: what the nearest proxy says.
pub(crate) fn last_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim).filter(|value| !value.is_empty())
}
