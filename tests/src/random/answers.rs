//! How a statement is sent, what comes back in bytes, and whether two answers are the same.

use std::fmt::Write as _;

use anyhow::Result;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use super::units::{Order, Statement};
use crate::answer::{Column, Fault};
use crate::session::{Message, Session};

/// Types from here on are the users' own; their OIDs are each server's affair.
const FIRST_USER_OID: u32 = 16384;

/// The way a statement is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Query.
    Simple,
    /// Parse, Bind, Describe, Execute, Sync; results in text.
    Text,
    /// The same, results in binary.
    Binary,
    /// The same, so many rows at a time.
    Portal(i32),
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, as bytes.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// The command tag.
    pub tag: String,
    /// The error, if one came.
    pub fault: Option<Fault>,
    /// How often the portal was suspended.
    pub pauses: usize,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The same.
    Equal,
    /// Both gave the same error.
    Failed,
    /// pgherd refused.
    Refused(String),
    /// Another answer, and PostgreSQL itself has several.
    Open(String),
    /// Another answer.
    Different(String),
}

impl Reply {
    /// Sends a statement and takes its answer.
    pub async fn ask(session: &mut Session, statement: &Statement, way: Way) -> Result<Reply> {
        if let Some(data) = &statement.data {
            let answer = session.copy_in(&statement.sql, data.as_bytes()).await?;
            return Ok(Reply { tag: format!("{};", answer.tag), fault: answer.fault, ..Reply::default() });
        }
        let mut message = bytes::BytesMut::new();
        if way == Way::Simple {
            frontend::query(&statement.sql, &mut message)?;
            session.queue(&message).flush().await?;
            return Ok(Reply::of(session.until_ready().await?));
        }
        frontend::parse("", &statement.sql, [], &mut message)?;
        let format = i16::from(way == Way::Binary);
        let write = |text: &String, buffer: &mut bytes::BytesMut| {
            buffer.extend_from_slice(text.as_bytes());
            Ok(IsNull::No)
        };
        let bound = frontend::bind("", "", [], &statement.parameters, write, [format], &mut message);
        bound.map_err(|_| anyhow::anyhow!("cannot encode the parameters"))?;
        frontend::describe(b'P', "", &mut message)?;
        if let Way::Portal(rows) = way {
            frontend::execute("", rows, &mut message)?;
            frontend::execute("", rows, &mut message)?;
        }
        frontend::execute("", 0, &mut message)?;
        session.queue(&message).sync().await?;
        Ok(Reply::of(session.until_ready().await?))
    }

    fn of(messages: Vec<Message>) -> Reply {
        let mut reply = Reply::default();
        let is_array = |column: &Column, value: &[u8]| column.type_oid >= FIRST_USER_OID && value.len() >= 20;
        for message in messages {
            match message {
                Message::Columns(columns) => reply.columns = columns,
                Message::Row(mut row) => {
                    for (column, value) in reply.columns.iter().zip(&mut row) {
                        if let Some(value) = value.as_mut().filter(|value| is_array(column, value)) {
                            hide_element_type(value);
                        }
                    }
                    reply.rows.push(row);
                }
                Message::CopyData(line) => reply.rows.push(vec![Some(line)]),
                Message::Complete(tag) => {
                    let _ = write!(reply.tag, "{tag};");
                }
                Message::Error(fault) => reply.fault = Some(fault),
                Message::Suspended => reply.pauses += 1,
                _ => {}
            }
        }
        reply
    }

    /// Whether it is a refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.fault.as_ref().filter(|fault| fault.is_refusal()).map(ToString::to_string)
    }

    /// Holds it against what the oracle replied.
    #[must_use]
    pub fn compare(&self, oracle: &Reply, order: &Order) -> Outcome {
        if let Some(why) = self.refusal() {
            return Outcome::Refused(why);
        }
        let difference = self.difference(oracle, order);
        match (difference, &self.fault) {
            (Some(difference), _) => Outcome::Different(format!(
                "{difference}\n  pgherd:\n{}  PostgreSQL:\n{}",
                self.print(oracle),
                oracle.print(self)
            )),
            (None, Some(_)) => Outcome::Failed,
            (None, None) => Outcome::Equal,
        }
    }

    fn difference(&self, oracle: &Reply, order: &Order) -> Option<&'static str> {
        // Where several rows are wrong, which of them is told of is nobody's promise.
        let of_rows = |state: &str| state.starts_with("22") || state.starts_with("23");
        let state = |reply: &Reply| match &reply.fault {
            Some(fault) if of_rows(&fault.sqlstate) => "of the rows".to_owned(),
            Some(fault) => fault.sqlstate.clone(),
            None => String::new(),
        };
        if state(self) != state(oracle) {
            return Some("another error");
        }
        if self.fault.is_some() {
            return None;
        }
        if self.tag != oracle.tag || self.pauses != oracle.pauses {
            return Some("another command tag");
        }
        if !same_columns(&self.columns, &oracle.columns) {
            return Some("other columns");
        }
        let sorted = |reply: &Reply| {
            let mut rows = reply.rows.clone();
            rows.sort();
            rows
        };
        if sorted(self) != sorted(oracle) {
            return Some("other rows");
        }
        let of_columns = |reply: &Reply, columns: &[usize]| -> Vec<Vec<Option<Vec<u8>>>> {
            reply.rows.iter().map(|row| columns.iter().map(|at| row[*at].clone()).collect()).collect()
        };
        let same_order = match order {
            Order::Free => true,
            Order::Total => self.rows == oracle.rows,
            Order::By(columns) => of_columns(self, columns) == of_columns(oracle, columns),
        };
        if same_order { None } else { Some("another order") }
    }

    /// The rows that the other reply has not come first.
    fn print(&self, other: &Reply) -> String {
        let mut text = String::new();
        if let Some(fault) = &self.fault {
            let _ = writeln!(text, "    {fault}");
        }
        let columns: Vec<String> =
            self.columns.iter().map(|column| format!("{}:{}", column.name, column.type_oid)).collect();
        let _ = writeln!(text, "    [{}] {} rows, tag {:?}", columns.join(", "), self.rows.len(), self.tag);
        let mut others = std::collections::HashMap::new();
        other.rows.iter().for_each(|row| *others.entry(row).or_insert(0) += 1);
        let mut own = Vec::new();
        for row in &self.rows {
            match others.get_mut(row) {
                Some(left) if *left > 0 => *left -= 1,
                _ => own.push(row),
            }
        }
        let shown: Vec<_> = if own.is_empty() { self.rows.iter().take(12).collect() } else { own };
        for row in shown.into_iter().take(8) {
            let value = |value: &Option<Vec<u8>>| match value {
                None => "NULL".to_owned(),
                Some(bytes) => String::from_utf8(bytes.clone()).unwrap_or_else(|_| format!("{bytes:x?}")),
            };
            let values: Vec<String> = row.iter().map(value).collect();
            let _ = writeln!(text, "    ({})", values.join(", "));
        }
        text
    }
}

/// An array in binary names the OID of its elements' type, which is each server's affair.
fn hide_element_type(array: &mut [u8]) {
    let dimensions = u32::from_be_bytes([array[0], array[1], array[2], array[3]]);
    if (1..=6).contains(&dimensions) {
        array[8..12].fill(0);
    }
}

fn same_columns(ours: &[Column], oracles: &[Column]) -> bool {
    let user_type = |column: &Column| column.type_oid >= FIRST_USER_OID;
    let same = |our: &Column, oracle: &Column| {
        let same_type = our.type_oid == oracle.type_oid || (user_type(our) && user_type(oracle));
        our.name == oracle.name && same_type
    };
    ours.len() == oracles.len() && ours.iter().zip(oracles).all(|(our, oracle)| same(our, oracle))
}
