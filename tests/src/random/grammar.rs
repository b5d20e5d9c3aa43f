//! The writer of random statements: its dice, its parameters, and what it knows of the query around.

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::tables::Table;
use super::world::{KeyType, Ty};

/// How many tenants there are; keys are drawn from a few more, who have no rows.
const TENANTS: u32 = 13;

/// An expression.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) sql: String,
    pub(crate) ty: Ty,
    /// Equal values are written alike, and sums are exact in any order.
    pub(crate) clean: bool,
}

/// A column of a relation or a result.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) ty: Ty,
    pub(crate) clean: bool,
}

/// Something in FROM.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) alias: String,
    pub(crate) columns: Vec<Output>,
    /// The columns that tell its rows apart, if they are known.
    pub(crate) key: Option<Vec<String>>,
    pub(crate) rows: f64,
}

impl Relation {
    pub(crate) fn of(table: &Table, alias: &str) -> Relation {
        let output = |column: &super::tables::Column| Output {
            name: column.name.to_owned(),
            ty: column.ty,
            clean: column.clean,
        };
        Relation {
            alias: alias.to_owned(),
            columns: table.columns.iter().map(output).collect(),
            key: (!table.key.is_empty()).then(|| table.key.iter().map(ToString::to_string).collect()),
            rows: table.rows,
        }
    }

    /// One of its columns, qualified.
    pub(crate) fn column(&self, output: &Output) -> Expr {
        Expr { sql: format!("{}.{}", self.alias, output.name), ty: output.ty, clean: output.clean }
    }

    /// The tenant column, if it has one.
    pub(crate) fn tenant(&self) -> Option<String> {
        let column = self.columns.iter().find(|column| column.ty == Ty::Key)?;
        Some(format!("{}.{}", self.alias, column.name))
    }
}

/// What expressions may name: the relations of the query, and those of the queries around it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) inner: Vec<Relation>,
    pub(crate) outer: Vec<Relation>,
}

impl Scope {
    /// As itself, without the queries around.
    pub(crate) fn alone(&self) -> Scope {
        Scope { inner: self.inner.clone(), outer: Vec::new() }
    }

    /// All relations, for a query inside of this one.
    pub(crate) fn around(&self) -> Vec<Relation> {
        self.inner.iter().chain(&self.outer).cloned().collect()
    }

    /// Columns that order all rows, if each relation has such.
    pub(crate) fn key(&self) -> Option<Vec<String>> {
        let mut columns = Vec::new();
        for relation in &self.inner {
            columns.extend(relation.key.as_ref()?.iter().map(|name| format!("{}.{name}", relation.alias)));
        }
        Some(columns)
    }

    pub(crate) fn rows(&self) -> f64 {
        self.inner.iter().map(|relation| relation.rows).fold(1.0, f64::max)
    }
}

/// Writes random units.
#[derive(Debug)]
pub struct Grammar {
    rng: StdRng,
    pub(crate) keys: KeyType,
    names: u32,
    pub(crate) takes_parameters: bool,
    pub(crate) parameters: Vec<String>,
    pub(crate) ctes: Vec<Relation>,
    /// One of them is recursive.
    pub(crate) recurses: bool,
}

impl Grammar {
    /// The writer of one unit: the same seed and number give the same unit.
    #[must_use]
    pub fn new(keys: KeyType, seed: u64, number: u64) -> Grammar {
        let mut rng =
            StdRng::seed_from_u64(seed ^ number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let takes_parameters = rng.random_bool(0.4);
        Grammar {
            rng,
            keys,
            names: 0,
            takes_parameters,
            parameters: Vec::new(),
            ctes: Vec::new(),
            recurses: false,
        }
    }

    /// True so often in a hundred.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.rng.random_range(low..=high)
    }

    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.rng.random_range(0..of.len())]
    }

    /// The number of an alternative, each with its weight.
    pub(crate) fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.rng.random_range(0..weights.iter().sum());
        for (number, weight) in weights.iter().enumerate() {
            if left < *weight {
                return number;
            }
            left -= weight;
        }
        0
    }

    /// A name that nothing else has.
    pub(crate) fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// A tenant's number.
    pub(crate) fn tenant(&mut self) -> u32 {
        self.rng.random_range(1..=TENANTS)
    }
}
