//! As much of an SMTP server as it takes to receive mails.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::broadcast,
};

#[derive(Clone, Default)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    /// What `AUTH PLAIN` carried.
    pub login: Option<String>,
    /// Head and body, with the dots undone.
    pub text: String,
}

/// Connections of now, and the most there ever were at once.
#[derive(Default)]
struct Open {
    now: AtomicUsize,
    most: AtomicUsize,
}

pub struct Server {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    open: Arc<Open>,
    cut: broadcast::Sender<()>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let open = Arc::new(Open::default());
        let cut = broadcast::Sender::new(1);
        let server = Self { url, received: Arc::clone(&received), open: Arc::clone(&open), cut: cut.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                open.most.fetch_max(open.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let (received, open, mut cut) = (Arc::clone(&received), Arc::clone(&open), cut.subscribe());
                tokio::spawn(async move {
                    tokio::select! {
                        _ = cut.recv() => {}
                        _ = talk(stream, &received) => {}
                    }
                    open.now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn most_at_once(&self) -> usize {
        self.open.most.load(Ordering::SeqCst)
    }

    /// Ends all connections of now.
    pub fn cut_connections(&self) {
        self.cut.send(()).unwrap();
    }
}

/// Refuses the password `wrong-s3cret` and recipients whose name begins with `refused`.
async fn talk(stream: TcpStream, received: &Mutex<Vec<Received>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut mail = Received::default();
    say(&mut stream, "220 a-test ready").await?;
    loop {
        let line = line(&mut stream).await?;
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => "250-a-test\r\n250-AUTH PLAIN\r\n250 8BITMIME",
            "AUTH" => {
                let login = decode(rest.strip_prefix("PLAIN ").unwrap());
                let wrong = login.ends_with("wrong-s3cret");
                mail.login = Some(login);
                if wrong { "535 wrong password" } else { "235 welcome" }
            }
            "MAIL" => {
                mail.from = address(rest);
                mail.to.clear();
                "250 fine"
            }
            "RCPT" if address(rest).starts_with("refused") => "550 no such mailbox",
            "RCPT" => {
                mail.to.push(address(rest));
                "250 fine"
            }
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                mail.text = body(&mut stream).await?;
                received.lock().unwrap().push(mail.clone());
                "250 taken"
            }
            "QUIT" => {
                say(&mut stream, "221 bye").await?;
                return Some(());
            }
            "RSET" | "NOOP" => "250 fine",
            _ => "502 what?",
        };
        say(&mut stream, answer).await?;
    }
}

async fn say(stream: &mut BufReader<TcpStream>, text: &str) -> Option<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await.ok()
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end_matches("\r\n").to_owned())
}

async fn body(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut body = String::new();
    loop {
        let line = line(stream).await?;
        if line == "." {
            return Some(body);
        }
        body.push_str(line.strip_prefix('.').unwrap_or(&line));
        body.push_str("\r\n");
    }
}

/// What stands between `<` and `>`.
fn address(text: &str) -> String {
    let (_, rest) = text.split_once('<').unwrap();
    rest.split_once('>').unwrap().0.to_owned()
}

fn decode(base64: &str) -> String {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0u32);
    for c in base64.bytes().filter(|c| *c != b'=') {
        bits = bits << 6 | u32::from(value(c));
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    String::from_utf8(bytes).unwrap()
}
