//! What is in a message, without copies: `frontend` what clients send, `backend` what servers
//! say, `login` what they say before that, `row` the columns and values of results. Each view checks its whole frame, so what is
//! relayed after a look is what PostgreSQL will read.

pub mod backend;
pub mod frontend;
mod login;
pub mod row;

pub use backend::{
    Fields, affected, command_tag, copy_format, error_fields, parameter_status, parameter_types, ready_status,
};
pub use frontend::{Bind, Close, Describe, Execute, Kind, Parse, Query, copy_data};
pub use login::{Authentication, authentication, backend_key};
pub use row::{Column, Row, columns};
