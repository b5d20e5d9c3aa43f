//! Statements that are run for a part of the client's: what they give is collected, not told.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use router::ids::ServerId;
use router::plan::{Computed, Parameter};
use router::sql::{Learned, Question, Statement};

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::leg::reply;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::execute::whole::whole_formats;
use crate::net::peer::Peer;
use crate::pool::Lent;
use crate::wire::frame::{SERVER_LIMIT, cut};
use crate::wire::view::Row;
use crate::wire::{view, write};

/// How a part of the client's statement is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inner<'a> {
    /// Its own parameters.
    pub(super) parameters: &'a [Parameter<'a>],
    /// The formats of the result's columns as Bind has them.
    pub(super) formats: &'a [i16],
    /// True where rows are announced by a RowDescription.
    pub(super) describe: bool,
}

impl Executor {
    /// Asks a question on whatever servers it concerns, on primaries, in the open transaction; its
    /// answer in text format, or in binary where text would not be all of a value. `parameters` are the
    /// statement's; `first` is a server of which there is a branch.
    ///
    /// # Errors
    /// The planner's refusal, a server's error, 53400 where the answer is too large.
    pub(super) async fn answer(
        &mut self,
        peer: &mut Peer,
        first: ServerId,
        question: &Question,
        parameters: &[Parameter<'_>],
    ) -> Result<Computed, Trouble> {
        self.computed(peer, first, &question.text, &own_parameters(question, parameters)?).await
    }

    /// Runs a text as [`Self::answer`] does, with parameters of its own.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub(super) async fn computed(
        &mut self,
        peer: &mut Peer,
        first: ServerId,
        text: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Computed, Trouble> {
        let mut rows = Rows::kept(self.fleet.config.load().merge.max_bytes);
        let formats = match self.writes_whole_values() {
            true => Vec::new(),
            false => whole_formats(self.connection(first), peer, text, parameters).await?,
        };
        let inner = Inner { parameters, formats: &formats, describe: false };
        self.run_inner(peer, text, inner, &mut rows).await?;
        let (types, names) = (rows.types().to_vec(), rows.names().to_vec());
        let rows = rows.into_frames().into_iter().map(values).collect::<Result<_, _>>()?;
        let binary = formats.iter().map(|format| *format == 1).collect();
        Ok(Computed { names, types, rows, binary })
    }

    /// Runs a text as a part of the client's statement: what it reads, it reads on primaries.
    ///
    /// # Errors
    /// The planner's refusal, a server's error.
    pub(super) async fn run_inner(
        &mut self,
        peer: &mut Peer,
        text: &str,
        inner: Inner<'_>,
        rows: &mut Rows,
    ) -> Result<Option<Bytes>, Trouble> {
        let statement = self.inner_statement(text)?;
        let Inner { parameters, formats, describe } = inner;
        let ask = Ask { statement: &statement, parameters, formats, describe };
        let before = std::mem::replace(&mut self.transaction.reads_to_write, true);
        let outcome = Box::pin(self.run(peer, ask, rows)).await;
        self.transaction.reads_to_write = before;
        outcome
    }

    /// The parameters, each with the type that a server infers for it; those that are declared stay as they
    /// are.
    ///
    /// # Errors
    /// What the server says of the statement.
    pub(super) async fn typed<'a>(
        &mut self,
        peer: &mut Peer,
        server: ServerId,
        statement: &Statement,
        parameters: &[Parameter<'a>],
    ) -> Result<Vec<Parameter<'a>>, Trouble> {
        let types = types_of_parameters(self.connection(server), peer, statement, parameters).await?;
        let typed = |(parameter, type_oid): (&Parameter<'a>, u32)| Parameter { type_oid, ..*parameter };
        Ok(parameters.iter().zip(types).map(typed).collect())
    }

    /// A statement of the proxy's own making.
    pub(super) fn inner_statement(&mut self, text: &str) -> Result<Arc<Statement>, Trouble> {
        let path = self.search_path();
        let text = match &self.commented {
            Some(tenant) => &*format!("{} {text}", router::sql::tenant_comment(tenant)),
            None => text,
        };
        match router::sql::learn(text, &self.catalog(), &path) {
            Learned::Statements(statements) => match statements.as_slice() {
                [only] => Ok(Arc::clone(only)),
                _ => Err(unreadable()),
            },
            Learned::SyntaxError | Learned::TooComplex | Learned::Empty => Err(unreadable()),
        }
    }
}

/// The parameters of a question, out of the statement's.
pub(super) fn own_parameters<'a>(
    question: &Question,
    parameters: &[Parameter<'a>],
) -> Result<Vec<Parameter<'a>>, Trouble> {
    let own = |number: &u16| parameters.get(usize::from(*number).checked_sub(1)?).copied();
    let parameters: Option<Vec<Parameter<'_>>> = question.parameters.iter().map(own).collect();
    parameters.ok_or_else(unreadable)
}

async fn types_of_parameters(
    connection: &mut Lent,
    peer: &mut Peer,
    statement: &Statement,
    parameters: &[Parameter<'_>],
) -> Result<Vec<u32>, Trouble> {
    let declared: Vec<u32> = parameters.iter().map(|parameter| parameter.type_oid).collect();
    connection.queue_parse("", statement.text(), &declared);
    write::describe_statement(connection.out(), b"");
    connection.queue_sync();
    let (mut types, mut error) = (Vec::new(), None);
    while connection.owed() > 0 {
        let frame = reply(connection, peer).await?;
        match frame.tag() {
            b't' => {
                types =
                    view::parameter_types(&frame).map_err(|fault| ClientError::internal(fault.to_string()))?
            }
            b'E' => error = error.or(Some(view::error_fields(&frame))),
            _ => {}
        }
    }
    match error {
        Some(fields) => Err(fields.into()),
        None => Ok(types),
    }
}

/// The values of a DataRow.
pub(super) fn values(frame: Bytes) -> Result<Vec<Option<Bytes>>, Trouble> {
    let mut buffer = BytesMut::from(&frame[..]);
    let malformed = |_| Trouble::from(ClientError::internal("a row cannot be read"));
    let Some(frame) = cut(&mut buffer, SERVER_LIMIT).map_err(malformed)? else { return Ok(Vec::new()) };
    let row = Row::read(&frame).map_err(malformed)?;
    row.map(|value| Ok(value.map_err(malformed)?.map(Bytes::copy_from_slice))).collect()
}

fn unreadable() -> Trouble {
    ClientError::internal("a part of the statement cannot be read").into()
}
