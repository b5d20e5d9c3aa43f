//! A TCP relay between the daemon and a node, with weather: delay, a narrow line, a cut, a half-closed line.
//!
//! It runs on a thread and runtime of its own, so that it outlives the test that started a shared fleet.

use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What the line does to bytes. A change holds for open connections too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Bytes pass at once.
    Fair,
    /// Each chunk is held this long before it goes on.
    Delayed(Duration),
    /// At most so many bytes a second pass in each direction of a connection.
    Throttled(u32),
    /// Open connections stay open and nothing passes; new ones are accepted and hear nothing.
    Silent,
    /// Open connections are closed, new ones are closed when they come.
    Cut,
    /// The node's side of each connection is closed for writing: the daemon sees the end of the answers.
    HalfClosed,
}

/// A relay in front of one port.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    weather: watch::Sender<Weather>,
    _end: oneshot::Sender<()>,
}

impl Relay {
    /// Relays a free port to `target` on the loopback address, in fair weather.
    pub fn start(target: u16) -> Result<Relay> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (weather, forecast) = watch::channel(Weather::Fair);
        let (end, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name(format!("relay-{target}")).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime for a relay");
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, target, forecast) => {}
                    _ = ended => {}
                }
            });
        })?;
        Ok(Relay { port, weather, _end: end })
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the weather for open and new connections.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn accept(listener: std::net::TcpListener, target: u16, forecast: watch::Receiver<Weather>) {
    let listener = TcpListener::from_std(listener).expect("the listener does not block");
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, target, forecast.clone()));
    }
}

async fn carry(client: TcpStream, target: u16, mut forecast: watch::Receiver<Weather>) {
    if *forecast.borrow() == Weather::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let (up, down) = (forecast.clone(), forecast.clone());
    tokio::select! {
        () = async { tokio::join!(copy(client_read, server_write, up, false), copy(server_read, client_write, down, true)); } => {}
        _ = forecast.wait_for(|weather| *weather == Weather::Cut) => {}
    }
}

/// Copies one direction; `answers` is the one from the node.
async fn copy(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut forecast: watch::Receiver<Weather>,
    answers: bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let size = tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(size) if size > 0 => size,
                Ok(_) | Err(_) => break,
            },
            _ = forecast.wait_for(|weather| answers && *weather == Weather::HalfClosed) => break,
        };
        let weather = *forecast.borrow_and_update();
        match weather {
            Weather::Fair | Weather::HalfClosed | Weather::Cut => {}
            Weather::Delayed(delay) => tokio::time::sleep(delay).await,
            Weather::Throttled(rate) => {
                tokio::time::sleep(Duration::from_secs_f64(size as f64 / f64::from(rate.max(1)))).await;
            }
            Weather::Silent => {
                let _ = forecast.wait_for(|weather| *weather != Weather::Silent).await;
            }
        }
        if to.write_all(&buffer[..size]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
