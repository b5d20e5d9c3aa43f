//! What ALTER TABLE computes for rows that are there already: the values of the columns that it adds, and of
//! those to which it gives another type by an expression.
//!
//! PostgreSQL reads the clock once for all rows. So do several servers: each is told the moment as a
//! constant, and the default itself afterwards.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::make::try_owned;
use pg_raw_parse::nodes::{AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, ConstrType, RawStmt};

use super::gather::expression_text;
use super::rewrite::{print, quoted_relation};
use super::shape::{reads_clock, stop_clock};
use crate::ids::quote_identifier;
use crate::plan::Refusal;

/// The values that a statement gives to rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filling {
    /// The table, as the statement names it, quoted.
    pub table: String,
    /// The columns that it adds.
    pub added: Vec<String>,
    /// The columns whose values it computes: by a default that is no constant, from a sequence, by USING.
    pub computed: Vec<String>,
    /// True where a value is a moment.
    pub reads_clock: bool,
    /// The statements that give the added columns their defaults, where those are moments; `None` where one
    /// cannot be written.
    defaults: Option<Vec<String>>,
}

impl Filling {
    /// The statements that give the added columns the defaults that [`stopped`] has made constants of.
    pub fn defaults(&self) -> &[String] {
        self.defaults.as_deref().unwrap_or_default()
    }
}

/// The statement with the moment `now` in place of what reads the clock for rows that are there.
///
/// # Errors
/// 0A000 where it cannot be written so.
pub(crate) fn stopped(statement: &RawStmt, filling: &Filling, now: &str) -> Result<Arc<str>, Refusal> {
    let unknown = || {
        Refusal::unsupported(
            "a column whose default reads the clock in this form, in a table with rows on several servers",
            "Add the column without a default, fill it with UPDATE, then set the default.",
        )
    };
    if filling.defaults.is_none() {
        return Err(unknown());
    }
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        if stop_clock(&mut copy, mem, now) { Ok(copy) } else { Err(unknown()) }
    })?;
    print(&tree)
}

/// What a statement computes for rows that are there.
pub(super) fn filling(statement: Node<'_>) -> Option<Filling> {
    let Node::AlterTableStmt(alter) = statement else { return None };
    let mut filling = Filling {
        table: quoted_relation(alter.relation()?)?,
        added: Vec::new(),
        computed: Vec::new(),
        reads_clock: false,
        defaults: Some(Vec::new()),
    };
    filling.note_all(alter);
    (!filling.added.is_empty() || !filling.computed.is_empty()).then_some(filling)
}

impl Filling {
    fn note_all(&mut self, alter: &AlterTableStmt) {
        for command in alter.cmds().iter() {
            if let Node::AlterTableCmd(command) = command
                && let Node::ColumnDef(column) = command.def()
            {
                self.note(command, column);
            }
        }
    }

    fn note(&mut self, command: &AlterTableCmd, column: &ColumnDef) {
        match (command.subtype, column.colname(), command.name()) {
            (AlterTableType::AT_AddColumn, Some(name), _) => {
                self.added.push(name.to_owned());
                if self.note_default(name, column) || is_serial(column) {
                    self.computed.push(name.to_owned());
                }
            }
            (AlterTableType::AT_AlterColumnType, _, Some(name))
                if !matches!(column.raw_default(), Node::None) =>
            {
                self.computed.push(name.to_owned());
                self.reads_clock |= reads_clock(column.raw_default());
            }
            _ => {}
        }
    }

    /// Notes the default of an added column; true where it is computed.
    fn note_default(&mut self, name: &str, column: &ColumnDef) -> bool {
        let mut computed = false;
        for constraint in column.constraints().iter() {
            let Node::Constraint(constraint) = constraint else { continue };
            match constraint.contype {
                ConstrType::CONSTR_IDENTITY => computed = true,
                ConstrType::CONSTR_DEFAULT => {
                    let default = constraint.raw_expr();
                    computed |= super::calls::constant(default).is_none();
                    if reads_clock(default) {
                        self.reads_clock = true;
                        self.note_moment(name, default);
                    }
                }
                // The others give no values.
                _ => {}
            }
        }
        computed
    }

    fn note_moment(&mut self, name: &str, default: Node<'_>) {
        let set = expression_text(default).ok().map(|default| {
            format!(
                "ALTER TABLE {} ALTER COLUMN {} SET DEFAULT {default}",
                self.table,
                quote_identifier(name)
            )
        });
        match (set, self.defaults.as_mut()) {
            (Some(set), Some(defaults)) => defaults.push(set),
            (None, _) | (_, None) => self.defaults = None,
        }
    }
}

fn is_serial(column: &ColumnDef) -> bool {
    const SERIAL: [&str; 6] = ["serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"];
    let name = column.type_name().and_then(|name| name.names().iter().next_back());
    name.and_then(|name| name.sval()).is_some_and(|name| SERIAL.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Filling> {
        let trees = pg_raw_parse::parse(text).expect("parses");
        filling(trees.first().expect("a statement").stmt())
    }

    #[test]
    fn what_is_computed_for_rows_that_are_there_is_found() {
        for (text, computed, reads_clock) in [
            ("alter table t add column x int", &[][..], false),
            ("alter table t add column x int default 5", &[], false),
            ("alter table t add column x serial", &["x"], false),
            ("alter table t add column x int generated always as identity", &["x"], false),
            ("alter table t add column x uuid default gen_random_uuid()", &["x"], false),
            ("alter table t add column x date default current_date + 1", &["x"], true),
            ("alter table t alter x type text using x || random()", &["x"], false),
            (
                "alter table t add column x int default 5, add column y timestamptz default now()",
                &["y"],
                true,
            ),
        ] {
            let found = of(text).expect("it fills");
            assert_eq!(
                (found.computed.as_slice(), found.reads_clock),
                (computed.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().as_slice(), reads_clock),
                "{text}"
            );
        }
        for text in [
            "alter table t drop column x",
            "alter table t alter x set default now()",
            "alter table t alter x type int",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_constant_for_the_rows_that_are_there_and_the_clock_for_later_ones() {
        let text = "alter table a.t add column x timestamptz not null default now() check (x <= now()), \
                    alter column y set default now()";
        let trees = pg_raw_parse::parse(text).expect("parses");
        let statement = trees.first().expect("a statement");
        let filling = filling(statement.stmt()).expect("it fills");
        let stopped = stopped(statement, &filling, "2026-01-02 03:04:05+00").expect("it can be");
        assert_eq!(
            stopped.as_ref(),
            "ALTER TABLE a.t ADD COLUMN x timestamptz NOT NULL DEFAULT ('2026-01-02 03:04:05+00'::timestamptz) \
             CHECK (x <= now()), ALTER COLUMN y SET DEFAULT now()"
        );
        assert_eq!(filling.defaults(), ["ALTER TABLE \"a\".\"t\" ALTER COLUMN \"x\" SET DEFAULT (now())"]);
    }
}
