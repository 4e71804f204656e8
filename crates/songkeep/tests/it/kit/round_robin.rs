//! Stands before several nodes of a role: each connection goes to the next of them.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

pub struct RoundRobin {
    pub addr: SocketAddr,
    _accepting: AbortOnDropHandle<()>,
}

impl RoundRobin {
    pub async fn before(nodes: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            for node in nodes.into_iter().cycle() {
                let Ok((mut client, _)) = listener.accept().await else { return };
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(node).await else { return };
                    // Either side may end when it likes.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { addr, _accepting: AbortOnDropHandle::new(accepting) }
    }
}
