//! Messages appended to a buffer: `frontend` what the proxy says to servers, `login` the same before it
//! may say anything, `backend` what it
//! says to clients by itself. Nobody else names pgwire's messages.

mod backend;
mod frontend;
mod login;

pub use backend::{
    OwnColumn, backend_key, bind_complete, close_complete, columns, command_complete, data_row, empty_query,
    error, no_data, notice, own_notice, parameter_description, parameter_status, parse_complete,
    portal_suspended, ready, row_description, row_description_in,
};
pub use frontend::{
    bind, close, copy_data, copy_done, copy_fail, describe, describe_portal, describe_statement, execute,
    flush, parse, query, raw, sync, terminate,
};
pub use login::{password, sasl_initial, startup};
