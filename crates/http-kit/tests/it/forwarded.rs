//! Who the client is, and under which address it reached us.

use axum::{Router, routing::get as on_get};
use http::request::Parts;
use serde_json::{Value, json};
use songkeep_domain::{CallContext, NodeRole};
use songkeep_http_kit::{Client, EdgeSettings, RequestOrigin, TrustedProxies, call_context, edge};

use crate::kit::{ask, from_peer, json, proxies, request, settings, settings_for, tokens};

/// Says what the request's extensions say, from inside a nested router.
fn mirror() -> Router {
    let inner = Router::new().route(
        "/",
        on_get(|origin: RequestOrigin, Client(client): Client, parts: Parts| async move {
            let context = call_context(&parts);
            assert_eq!(context.client, client);
            axum::Json(json!({
                "ip": client.ip,
                "agent": client.user_agent,
                "origin": format!("{}://{}", origin.scheme, origin.host),
                "web": origin.via_web,
                "trace": context.traceparent,
                "forwarded": parts.headers.keys().filter(|name| name.as_str().contains("forwarded")).count(),
                "token": parts.headers.contains_key("x-service-token"),
            }))
        }),
    );
    Router::new().nest("/inner", inner)
}

async fn seen_by(settings: EdgeSettings, peer: &str, headers: &[(&str, &str)]) -> Value {
    let router = edge(mirror(), settings);
    json(ask(&router, from_peer(request("GET", "/inner", headers), peer)).await).await
}

fn trusting(entries: &[&str]) -> EdgeSettings {
    EdgeSettings { trusted_proxies: proxies(entries), ..settings("gateway") }
}

#[tokio::test]
async fn a_direct_client_is_its_own_address_whatever_it_claims() {
    let forged = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-prefix", "/api"),
        ("forwarded", "for=6.6.6.6"),
        ("user-agent", "curl/8"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let seen = seen_by(trusting(&["10.0.0.0/8"]), "192.0.2.7", &forged).await;
    assert_eq!(seen["ip"], "192.0.2.7");
    assert_eq!(seen["origin"], "http://songs.test:3000");
    assert_eq!(seen["web"], false);
    assert_eq!(seen["agent"], "curl/8");
    assert_eq!(seen["forwarded"], 0, "what was forged stays outside");
    assert_eq!(seen["trace"], "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

#[tokio::test]
async fn takes_the_rightmost_hop_that_is_no_proxy() {
    let trusted = || trusting(&["10.0.0.0/8", "fd00::/8", "127.0.0.1"]);
    let cases = [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2,10.9.9.9", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.7, 10.0.0.2", "10.0.0.7"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("fd00::1", "[2001:db8::5]:443", "2001:db8::5"),
        ("fd00::1", "[2001:db8::5], fd00::2", "2001:db8::5"),
        ("::ffff:10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9, ::ffff:10.1.1.1", "203.0.113.9"),
        ("11.0.0.1", "203.0.113.9", "11.0.0.1"),
    ];
    for (peer, header, expected) in cases {
        let seen = seen_by(trusted(), peer, &[("x-forwarded-for", header)]).await;
        assert_eq!(seen["ip"], expected, "{peer} says {header}");
    }
}

#[tokio::test]
async fn many_header_lines_are_one_list() {
    let lines =
        [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "10.0.0.2")];
    let seen = seen_by(trusting(&["10.0.0.0/8"]), "10.0.0.1", &lines).await;
    assert_eq!(seen["ip"], "203.0.113.9");
}

#[tokio::test]
async fn a_trusted_proxy_tells_scheme_host_and_prefix() {
    let said = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "music.example"),
        ("x-forwarded-prefix", "/api"),
    ];
    let seen = seen_by(trusting(&["127.0.0.1"]), "127.0.0.1", &said).await;
    assert_eq!(seen["origin"], "https://music.example");
    assert_eq!(seen["web"], true);

    let nonsense =
        [("x-forwarded-proto", "javascript"), ("x-forwarded-host", "a b\"<"), ("x-forwarded-prefix", "/x")];
    let seen = seen_by(trusting(&["127.0.0.1"]), "127.0.0.1", &nonsense).await;
    assert_eq!(seen["origin"], "http://songs.test:3000");
    assert_eq!(seen["web"], false);
}

#[tokio::test]
async fn a_web_node_proves_itself_by_its_token() {
    let said = |token: &str| {
        [
            ("x-forwarded-for", "203.0.113.9".to_owned()),
            ("x-forwarded-proto", "https".to_owned()),
            ("x-forwarded-prefix", "/api".to_owned()),
            ("x-service-token", token.to_owned()),
        ]
    };
    let sign = |issuer, audience| tokens().sign(issuer, audience, &CallContext::default()).unwrap();
    let cases = [
        (sign(NodeRole::Web, NodeRole::Gateway), "203.0.113.9"),
        // For another service, from a role that is no proxy, and made up.
        (sign(NodeRole::Web, NodeRole::Stream), "192.0.2.7"),
        (sign(NodeRole::Search, NodeRole::Gateway), "192.0.2.7"),
        ("abc".to_owned(), "192.0.2.7"),
    ];
    for (token, expected) in cases {
        let headers = said(&token);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let seen = seen_by(settings_for(NodeRole::Gateway), "192.0.2.7", &headers).await;
        assert_eq!(seen["ip"], expected);
        assert_eq!(seen["web"], expected == "203.0.113.9");
        assert_eq!(seen["token"], false, "the token stops at the edge");
    }
}

#[test]
fn networks_are_matched_by_their_prefix() {
    let proxies = proxies(&["10.0.0.0/8", "192.0.2.4", "2001:db8::/32", "0.0.0.0/32", " 127.0.0.0/8 "]);
    let inside = ["10.255.0.1", "192.0.2.4", "::ffff:10.1.2.3", "2001:db8:ffff::1", "127.9.9.9"];
    let outside = ["11.0.0.1", "192.0.2.5", "2001:db9::1", "::1", "::ffff:11.0.0.1"];
    for ip in inside {
        assert!(proxies.contains(ip.parse().unwrap()), "{ip}");
    }
    for ip in outside {
        assert!(!proxies.contains(ip.parse().unwrap()), "{ip}");
    }
    assert!(crate::kit::proxies(&["0.0.0.0/0"]).contains("8.8.8.8".parse().unwrap()));
    assert!(!crate::kit::proxies(&["0.0.0.0/0"]).contains("2001:db8::1".parse().unwrap()));
    for wrong in ["", "proxy.test", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "fd00::/129", "10.0.0"] {
        let error = TrustedProxies::parse(&[wrong.to_owned()]).unwrap_err();
        assert!(error.to_string().contains(wrong));
    }
}
