//! What the planner asks of a merge.
//!
//! A leg's row is the client's visible columns, in the client's formats, followed by hidden columns in
//! binary format that the planner added for the merge: the merge reads hidden columns only, and passes
//! visible fields on as bytes. Column numbers count from 0 over visible and hidden together.

/// How legs' rows become the client's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergePlan {
    /// How many columns the client sees.
    pub visible: usize,
    /// How many hidden columns follow in each leg's rows.
    pub hidden: usize,
    /// Grouping and aggregates; `None` where rows stay rows.
    pub group: Option<GroupPlan>,
    /// Drop rows whose these (hidden) columns are all equal to an earlier row's; empty: keep all.
    pub distinct: Vec<usize>,
    /// The order; empty: any. Each leg's rows come in this order already unless there is a group.
    pub order: Vec<SortKey>,
    /// How many rows to skip.
    pub offset: Option<Limit>,
    /// How many rows to give.
    pub limit: Option<Limit>,
}

impl MergePlan {
    /// True where the rows of one leg after those of another are all there is to it.
    pub fn is_concatenation(&self) -> bool {
        *self == MergePlan { visible: self.visible, ..MergePlan::default() }
    }
}

/// A row count in LIMIT or OFFSET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A constant.
    Rows(u64),
    /// The value of parameter `$n` (counted from 1), read as int8; NULL is no limit.
    Parameter(u16),
}

/// Groups by hidden columns with partial aggregates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// Hidden columns whose equality makes a group; empty: one group over all, also of no rows.
    pub keys: Vec<usize>,
    /// Where each visible column of a result row comes from, in order.
    pub outputs: Vec<Output>,
}

/// Where a visible column of a grouped row comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The same visible column of the group's first row.
    Key,
    /// A combined aggregate; the visible column of the legs is its placeholder.
    Aggregate(Aggregate),
}

/// A partial aggregate to combine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// Which.
    pub kind: AggregateKind,
    /// Hidden columns of its parts: one, or (sum, count) for an average.
    pub parts: Vec<usize>,
}

/// The aggregates that combine exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggregateKind {
    /// Sum of the legs' int8 counts; int8.
    Count,
    /// Sum of the legs' sums: int8 (of int2, int4) or numeric (of int8, numeric).
    Sum,
    /// Smallest part; the visible field of its row is the answer.
    Min,
    /// Largest part; the visible field of its row is the answer.
    Max,
    /// Sum of the sums by sum of the counts, as PostgreSQL's numeric division; numeric.
    Average,
    /// `bool_and` / `every`.
    And,
    /// `bool_or`.
    Or,
}

/// One key of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// The hidden column to compare; in a grouped plan the hidden key column, or for an aggregate
    /// see `output`.
    pub column: usize,
    /// `Some(n)`: order by the n-th visible output, which is an aggregate.
    pub output: Option<usize>,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST.
    pub nulls_first: bool,
}
