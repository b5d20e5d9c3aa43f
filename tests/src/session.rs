//! A client that shows every message, for what drivers hide: type OIDs, command tags, transaction states, pipelines.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::authentication::sasl::{self, ChannelBinding, ScramSha256};
use postgres_protocol::message::backend::{ErrorFields, Message as Backend};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::fallible_iterator::FallibleIterator;

use crate::answer::{Answer, Column, Fault};
use crate::database::APP_PASSWORD;
use crate::frames::Heard;

/// A message of the server, in the client's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// ParseComplete.
    Parsed,
    /// BindComplete.
    Bound,
    /// CloseComplete.
    Closed,
    /// NoData.
    NoData,
    /// ParameterDescription, as type OIDs.
    Parameters(Vec<u32>),
    /// RowDescription.
    Columns(Vec<Column>),
    /// DataRow, as bytes in whatever format was asked for.
    Row(Vec<Option<Vec<u8>>>),
    /// CommandComplete.
    Complete(String),
    /// EmptyQueryResponse.
    Empty,
    /// PortalSuspended.
    Suspended,
    /// CopyInResponse.
    CopyIn,
    /// CopyOutResponse.
    CopyOut,
    /// CopyData.
    CopyData(Vec<u8>),
    /// CopyDone.
    CopyDone,
    /// ErrorResponse.
    Error(Fault),
    /// NoticeResponse.
    Notice(Fault),
    /// NotificationResponse: channel and payload.
    Notification(String, String),
    /// ParameterStatus.
    Setting(String, String),
    /// ReadyForQuery, with the transaction's state: `I`, `T` or `E`.
    Ready(char),
}

/// A session on the level of protocol messages.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// ParameterStatus as the server last told it.
    pub settings: Vec<(String, String)>,
    /// Notices since the session began.
    pub notices: Vec<Fault>,
    /// Notifications since the session began.
    pub notifications: Vec<(String, String)>,
    key: (i32, Bytes),
    port: u16,
}

impl Session {
    /// Opens a session with startup parameters beside user and database.
    pub async fn open(port: u16, user: &str, database: &str, parameters: &[(&str, &str)]) -> Result<Session> {
        Session::speaking(0, (port, user, database), parameters).await
    }

    /// As [`Session::open`], in protocol 3 with this minor version.
    pub async fn speaking(
        minor: u16,
        (port, user, database): (u16, &str, &str),
        parameters: &[(&str, &str)],
    ) -> Result<Session> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let (incoming, outgoing) = (BytesMut::new(), BytesMut::new());
        let (settings, notices, notifications) = (Vec::new(), Vec::new(), Vec::new());
        let key = (0, Bytes::new());
        let mut session = Session { stream, incoming, outgoing, settings, notices, notifications, key, port };
        let named = [("user", user), ("database", database), ("client_encoding", "UTF8")];
        let all: Vec<(&str, &str)> = named.into_iter().chain(parameters.iter().copied()).collect();
        frontend::startup_message(all, &mut session.outgoing)?;
        session.outgoing[6..8].copy_from_slice(&minor.to_be_bytes());
        session.flush().await?;
        session.authenticate().await?;
        Ok(session)
    }

    /// One simple query; an answer for each statement in it that was answered.
    pub async fn simple(&mut self, sql: &str) -> Result<Vec<Answer>> {
        frontend::query(sql, &mut self.outgoing)?;
        self.flush().await?;
        self.answers().await
    }

    /// One simple query of one statement.
    pub async fn ask(&mut self, sql: &str) -> Result<Answer> {
        Ok(self.simple(sql).await?.pop().unwrap_or_default())
    }

    /// One statement by Parse, Bind, Describe, Execute and Sync, with text parameters of unspecified type.
    pub async fn extended(&mut self, sql: &str, parameters: &[Option<String>]) -> Result<Answer> {
        self.queue_parse("", sql)?.queue_bind("", parameters)?.queue_execute(0)?;
        self.sync().await?;
        Ok(self.answers().await?.pop().unwrap_or_default())
    }

    /// COPY FROM STDIN with the given data, by a simple query.
    pub async fn copy_in(&mut self, sql: &str, data: &[u8]) -> Result<Answer> {
        frontend::query(sql, &mut self.outgoing)?;
        self.flush().await?;
        loop {
            match self.next().await? {
                Message::CopyIn => break,
                Message::Error(fault) => {
                    self.answers().await?;
                    return Ok(Answer { fault: Some(fault), ..Answer::default() });
                }
                Message::Notice(_) | Message::Setting(..) | Message::Notification(..) => {}
                other => bail!("{sql}: expected CopyInResponse, got {other:?}"),
            }
        }
        for chunk in data.chunks(8000) {
            frontend::CopyData::new(chunk)?.write(&mut self.outgoing);
        }
        frontend::copy_done(&mut self.outgoing);
        self.flush().await?;
        Ok(self.answers().await?.pop().unwrap_or_default())
    }

    /// Queues a Parse without parameter types.
    pub fn queue_parse(&mut self, name: &str, sql: &str) -> Result<&mut Self> {
        frontend::parse(name, sql, [], &mut self.outgoing)?;
        Ok(self)
    }

    /// Queues a Bind of the unnamed portal, text in and out.
    pub fn queue_bind(&mut self, statement: &str, parameters: &[Option<String>]) -> Result<&mut Self> {
        let write = |value: &Option<String>, buffer: &mut BytesMut| match value {
            None => Ok(IsNull::Yes),
            Some(text) => {
                buffer.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        };
        let bound = frontend::bind("", statement, [], parameters, write, [0], &mut self.outgoing);
        bound.map_err(|_| anyhow::anyhow!("cannot encode the parameters"))?;
        Ok(self)
    }

    /// Queues a Describe of the unnamed portal and an Execute of at most `rows` rows, 0 for all.
    pub fn queue_execute(&mut self, rows: i32) -> Result<&mut Self> {
        frontend::describe(b'P', "", &mut self.outgoing)?;
        frontend::execute("", rows, &mut self.outgoing)?;
        Ok(self)
    }

    /// Queues raw bytes.
    pub fn queue(&mut self, bytes: &[u8]) -> &mut Self {
        self.outgoing.extend_from_slice(bytes);
        self
    }

    /// Queues a Sync and sends what is queued.
    pub async fn sync(&mut self) -> Result<()> {
        frontend::sync(&mut self.outgoing);
        self.flush().await
    }

    /// Queues a Flush and sends what is queued.
    pub async fn ask_to_flush(&mut self) -> Result<()> {
        frontend::flush(&mut self.outgoing);
        self.flush().await
    }

    /// Sends what is queued.
    pub async fn flush(&mut self) -> Result<()> {
        let bytes = self.outgoing.split();
        self.stream.write_all(&bytes).await.context("the session is closed")
    }

    /// All messages up to and with the next ReadyForQuery.
    pub async fn until_ready(&mut self) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await?;
            messages.push(message.clone());
            if matches!(message, Message::Ready(_)) {
                return Ok(messages);
            }
        }
    }

    /// The messages as they come, up to and with the `count`th whose tag is `tag`, or the connection's end.
    pub async fn hear(&mut self, tag: u8, count: usize) -> Result<Vec<Heard>> {
        let mut heard = Vec::new();
        let mut left = count;
        while left > 0 {
            while left > 0
                && let Some(size) = self.whole()
            {
                let message = self.incoming.split_to(size);
                left -= usize::from(tag == message[0] || tag == 0);
                heard.push((message[0], message[5..].to_vec()));
            }
            if left > 0 && !matches!(self.stream.read_buf(&mut self.incoming).await, Ok(1..)) {
                heard.push((0, Vec::new()));
                return Ok(heard);
            }
        }
        Ok(heard)
    }

    /// The next message.
    pub async fn next(&mut self) -> Result<Message> {
        let message = translate(self.receive().await?)?;
        match &message {
            Message::Notice(notice) => self.notices.push(notice.clone()),
            Message::Setting(name, value) => {
                self.settings.retain(|(known, _)| known != name);
                self.settings.push((name.clone(), value.clone()));
            }
            Message::Notification(channel, payload) => {
                self.notifications.push((channel.clone(), payload.clone()));
            }
            _ => {}
        }
        Ok(message)
    }

    /// The connection itself, for who reads its bytes as they come; nothing read may be left.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        assert!(self.incoming.is_empty(), "the session has read more than it told");
        self.stream
    }

    /// Sends a cancel request for this session's statement, on a connection of its own.
    pub async fn cancel(&self) -> Result<()> {
        cancel_with(self.port, self.key.0, &self.key.1).await
    }

    /// What a cancel request of protocol 3.0 needs: the port, the process id and the secret.
    #[must_use]
    pub fn cancel_key(&self) -> (u16, i32, i32) {
        (self.port, self.key.0, self.key.1.clone().get_i32())
    }

    /// The process id and the secret, of whatever length.
    #[must_use]
    pub fn backend_key(&self) -> (i32, Bytes) {
        self.key.clone()
    }

    async fn authenticate(&mut self) -> Result<()> {
        loop {
            match self.receive().await? {
                Backend::AuthenticationOk => {}
                Backend::AuthenticationSasl(_) => self.scram().await?,
                Backend::ReadyForQuery(_) => return Ok(()),
                Backend::ParameterStatus(body) => {
                    self.settings.push((body.name()?.to_owned(), body.value()?.to_owned()));
                }
                Backend::NoticeResponse(body) => self.notices.push(fault(body.fields())?),
                Backend::ErrorResponse(body) => bail!("{}", fault(body.fields())?),
                _ => bail!("an unexpected message at the start of the session"),
            }
        }
    }

    async fn scram(&mut self) -> Result<()> {
        let mut scram = ScramSha256::new(APP_PASSWORD.as_bytes(), ChannelBinding::unsupported());
        frontend::sasl_initial_response(sasl::SCRAM_SHA_256, scram.message(), &mut self.outgoing)?;
        self.flush().await?;
        match self.receive().await? {
            Backend::AuthenticationSaslContinue(body) => scram.update(body.data())?,
            Backend::ErrorResponse(body) => bail!("{}", fault(body.fields())?),
            _ => bail!("expected SASLContinue"),
        }
        frontend::sasl_response(scram.message(), &mut self.outgoing)?;
        self.flush().await?;
        match self.receive().await? {
            Backend::AuthenticationSaslFinal(body) => Ok(scram.finish(body.data())?),
            Backend::ErrorResponse(body) => bail!("{}", fault(body.fields())?),
            _ => bail!("expected SASLFinal"),
        }
    }

    async fn answers(&mut self) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        let mut answer = Answer::default();
        loop {
            match self.next().await? {
                Message::Columns(columns) => answer.columns = columns,
                Message::Row(row) => answer.rows.push(row.into_iter().map(as_text).collect()),
                Message::CopyData(bytes) => answer.copied.push_str(&String::from_utf8_lossy(&bytes)),
                Message::Complete(tag) => {
                    answer.tag = tag;
                    answers.push(std::mem::take(&mut answer));
                }
                Message::Empty => answers.push(std::mem::take(&mut answer)),
                Message::Error(fault) => {
                    answer.fault = Some(fault);
                    answers.push(std::mem::take(&mut answer));
                }
                Message::CopyIn => {
                    frontend::copy_fail("nothing to copy", &mut self.outgoing)?;
                    self.flush().await?;
                }
                Message::Ready(_) => return Ok(answers),
                Message::Parsed
                | Message::Bound
                | Message::Closed
                | Message::NoData
                | Message::Parameters(_)
                | Message::Suspended
                | Message::CopyOut
                | Message::CopyDone
                | Message::Notice(_)
                | Message::Notification(..)
                | Message::Setting(..) => {}
            }
        }
    }

    /// The size of the first message, if all of it is here.
    fn whole(&self) -> Option<usize> {
        let size = self.incoming.get(1..5)?.get_u32() as usize + 1;
        (self.incoming.len() >= size).then_some(size)
    }

    async fn receive(&mut self) -> Result<Backend> {
        loop {
            // BackendKeyData, which the parser knows with secrets of 4 bytes only.
            if self.incoming.first() == Some(&b'K')
                && let Some(size) = self.whole()
            {
                let mut message = self.incoming.split_to(size).freeze();
                message.advance(5);
                self.key = (message.get_i32(), message);
            }
            if let Some(message) = Backend::parse(&mut self.incoming)? {
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                bail!("the server closed the session");
            }
        }
    }
}

/// Sends a cancel request for a session's [`Session::cancel_key`] and waits until the other side has closed.
pub async fn cancel((port, process, secret): (u16, i32, i32)) -> Result<()> {
    cancel_with(port, process, &secret.to_be_bytes()).await
}

/// As [`cancel`], with a secret of any length.
pub async fn cancel_with(port: u16, process: i32, secret: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(&cancel_request(process, secret)).await?;
    let _ = stream.read(&mut [0; 1]).await;
    Ok(())
}

/// A CancelRequest.
#[must_use]
pub fn cancel_request(process: i32, secret: &[u8]) -> Bytes {
    let mut request = BytesMut::new();
    request.put_u32(u32::try_from(12 + secret.len()).unwrap_or(u32::MAX));
    request.put_u32(1234 << 16 | 5678);
    request.put_i32(process);
    request.put_slice(secret);
    request.freeze()
}

fn as_text(value: Option<Vec<u8>>) -> Option<String> {
    value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn translate(message: Backend) -> Result<Message> {
    Ok(match message {
        Backend::ParseComplete => Message::Parsed,
        Backend::BindComplete => Message::Bound,
        Backend::CloseComplete => Message::Closed,
        Backend::NoData => Message::NoData,
        Backend::ParameterDescription(body) => Message::Parameters(body.parameters().collect()?),
        Backend::RowDescription(body) => Message::Columns(
            body.fields()
                .map(|field| Ok(Column { name: field.name().to_owned(), type_oid: field.type_oid() }))
                .collect()?,
        ),
        Backend::DataRow(body) => {
            let ranges = body.ranges().map(|range| Ok(range.map(|range| body.buffer()[range].to_vec())));
            Message::Row(ranges.collect()?)
        }
        Backend::CommandComplete(body) => Message::Complete(body.tag()?.to_owned()),
        Backend::EmptyQueryResponse => Message::Empty,
        Backend::PortalSuspended => Message::Suspended,
        Backend::CopyInResponse(_) => Message::CopyIn,
        Backend::CopyOutResponse(_) => Message::CopyOut,
        Backend::CopyData(body) => Message::CopyData(body.data().to_vec()),
        Backend::CopyDone => Message::CopyDone,
        Backend::ErrorResponse(body) => Message::Error(fault(body.fields())?),
        Backend::NoticeResponse(body) => Message::Notice(fault(body.fields())?),
        Backend::NotificationResponse(body) => {
            Message::Notification(body.channel()?.to_owned(), body.message()?.to_owned())
        }
        Backend::ParameterStatus(body) => Message::Setting(body.name()?.to_owned(), body.value()?.to_owned()),
        Backend::ReadyForQuery(body) => Message::Ready(char::from(body.status())),
        _ => bail!("a message that does not belong into a session"),
    })
}

fn fault(mut fields: ErrorFields<'_>) -> Result<Fault> {
    let empty = String::new;
    let mut fault =
        Fault { sqlstate: empty(), message: empty(), detail: empty(), hint: empty(), position: empty() };
    while let Some(field) = fields.next()? {
        let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => fault.sqlstate = text,
            b'M' => fault.message = text,
            b'D' => fault.detail = text,
            b'H' => fault.hint = text,
            b'P' => fault.position = text,
            _ => {}
        }
    }
    Ok(fault)
}
