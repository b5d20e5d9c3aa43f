//! A client that only counts the rows of an answer, so that what it costs itself hides nothing.

use anyhow::{Result, bail};
use tests::Session;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection of such a client.
pub(super) struct Drain(TcpStream);

impl Drain {
    pub(super) fn over(session: Session) -> Drain {
        Drain(session.into_stream())
    }

    /// Sends a simple query and reads its answer to the end; how many rows it had.
    pub(super) async fn count(&mut self, sql: &str) -> Result<u64> {
        let mut query = vec![b'Q'];
        query.extend_from_slice(&u32::try_from(sql.len() + 5)?.to_be_bytes());
        query.extend_from_slice(sql.as_bytes());
        query.push(0);
        self.0.write_all(&query).await?;
        let mut buffer = vec![0; 256 << 10];
        let (mut filled, mut skip, mut rows) = (0, 0, 0);
        loop {
            let read = self.0.read(&mut buffer[filled..]).await?;
            if read == 0 {
                bail!("the connection was closed: {sql}");
            }
            filled += read;
            let mut at = 0;
            loop {
                let skipped = skip.min(filled - at);
                (at, skip) = (at + skipped, skip - skipped);
                let Some([tag, length @ ..]) = buffer[at..filled].first_chunk::<5>() else { break };
                match tag {
                    b'D' => rows += 1,
                    b'Z' => return Ok(rows),
                    b'E' => bail!("{sql}: {}", String::from_utf8_lossy(&buffer[at..filled])),
                    _ => {}
                }
                skip = 1 + u32::from_be_bytes(*length) as usize;
            }
            buffer.copy_within(at..filled, 0);
            filled -= at;
        }
    }
}
