//! EXPLAIN of a statement that is gathered, as a tree: what each server gives, then the plan of the statement
//! over it. With ANALYZE the rows are gathered, and counted.

use bytes::{Bytes, BytesMut};
use router::ids::ServerId;
use router::plan::GatherPlan;
use router::sql::Kind;
use tokio::time::Instant;

use super::answer::write_over_arrays;
use super::collect::{Bound, Given, collect};
use super::keys::{Keys, titles};
use super::place;
use super::run::{few, first_rows, parameters_of};
use crate::execute::executor::Executor;
use crate::execute::leg::{LegAsk, reply};
use crate::execute::merge::stop;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::frame::Frame;
use crate::wire::view::{self, Row};
use crate::wire::write;

/// Explains the legs, one after the other, and the statement over what they give.
///
/// # Errors
/// A server's own.
pub(in crate::execute) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    plan: &GatherPlan,
    headline: String,
) -> Result<Option<Bytes>, Hindrance> {
    let legs = &decision.plan.legs;
    executor.open_implicit();
    for leg in legs {
        executor.branch(leg, decision).await?;
    }
    let mut tree = Tree { peer, rows, describe: ask.describe, headline: Some(headline) };
    let outcome = explain(executor, &mut tree, ask, decision, plan).await;
    if outcome.is_err() {
        stop(executor, legs).await;
    }
    outcome.map_err(Hindrance::Trouble)
}

async fn explain(
    executor: &mut Executor,
    tree: &mut Tree<'_>,
    ask: Ask<'_>,
    decision: &Decision,
    plan: &GatherPlan,
) -> Result<Option<Bytes>, Trouble> {
    let (prefix, analyze) = match ask.statement.kind() {
        Kind::Explain { prefix, analyze, .. } => (prefix.as_str(), *analyze),
        _ => ("EXPLAIN ", false),
    };
    let legs = &decision.plan.legs;
    let parameters = parameters_of(plan, ask.parameters)?;
    for leg in legs {
        let text = leg.text.as_deref().unwrap_or_default();
        let connection = executor.connection(leg.server);
        LegAsk { text, parameters: &parameters, formats: &[0] }.write(connection);
        connection.owe_ready();
        let name = decision.directory.server_name(leg.server);
        let statement = text.strip_prefix(prefix).unwrap_or(text);
        tree.plan_of(executor, leg.server, &format!("  ->  Server {name}: {statement}")).await?;
    }
    let given = match analyze {
        true => gathered(executor, tree, decision, plan, prefix, ask).await?,
        false => {
            for title in plan.keys.iter().flat_map(|keys| titles(keys)) {
                tree.say(&format!("{title}, where there are many rows")).await?;
            }
            Vec::new()
        }
    };
    let first = legs.first().map_or(ServerId::HOME, |leg| leg.server);
    let place = match analyze {
        true => place::of_arrays(executor, plan, legs, &given),
        false => plan.place.unwrap_or(first),
    };
    executor.branch(&router::plan::Leg::on(place), decision).await.map_err(|hindrance| match hindrance {
        Hindrance::Trouble(trouble) => trouble,
        Hindrance::Replan => crate::error::ClientError::internal("a leg without a fence met one").into(),
    })?;
    let connection = executor.connection(place);
    let text = format!("{prefix}{}", plan.over_arrays);
    let ask = Ask { formats: &[0], ..ask };
    write_over_arrays(connection.out(), &text, ask, plan, &given);
    connection.queue_sync();
    let name = decision.directory.server_name(place);
    tree.plan_of(executor, place, &format!("  ->  Then, on server {name}: {}", plan.over_arrays)).await?;
    let mut out = BytesMut::new();
    write::command_complete(&mut out, "EXPLAIN");
    Ok(Some(out.freeze()))
}

/// Gathers for the plan with ANALYZE, and says how much that was.
async fn gathered(
    executor: &mut Executor,
    tree: &mut Tree<'_>,
    decision: &Decision,
    plan: &GatherPlan,
    prefix: &str,
    ask: Ask<'_>,
) -> Result<Vec<Given>, Trouble> {
    let legs = &decision.plan.legs;
    let parameters = parameters_of(plan, ask.parameters)?;
    let begun = Instant::now();
    for leg in legs {
        let text = leg.text.as_deref().unwrap_or_default();
        let text = text.strip_prefix(prefix).unwrap_or(text);
        let connection = executor.connection(leg.server);
        LegAsk { text, parameters: &parameters, formats: &[1] }.write(connection);
        connection.owe_ready();
        connection.flush().await?;
    }
    let config = executor.fleet.config.load().gather.clone();
    let bound = Bound::new(config.max_bytes);
    let mut given = collect(executor, tree.peer, legs, plan, &bound).await?;
    let mut bytes = 0;
    let most = first_rows(few(plan, config.array_rows));
    let many = given.iter().any(|given| given.exceeds(most));
    if let Some(keys) = plan.keys.as_deref().filter(|_| plan.many && many) {
        let keys = Keys::ask(executor, tree.peer, legs, (keys, ask.parameters), &bound).await?;
        bytes = keys.bytes;
        if keys.are_found() {
            for leg in keys.legs(legs) {
                let text = leg.text.as_deref().unwrap_or_default();
                let parameters = keys.parameters(parameters.clone());
                let connection = executor.connection(leg.server);
                LegAsk { text, parameters: &parameters, formats: &[1] }.write(connection);
                connection.owe_ready();
                connection.flush().await?;
            }
            given = collect(executor, tree.peer, legs, plan, &bound).await?;
        }
        for line in keys.lines() {
            tree.say(&line).await?;
        }
    } else {
        for title in plan.keys.iter().flat_map(|keys| titles(keys)) {
            tree.say(&format!("{title}, where there are many rows")).await?;
        }
    }
    let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
    bytes += given.iter().map(|given| given.bytes).sum::<u64>();
    for (number, part) in plan.parts.iter().enumerate() {
        let counts = given.iter().filter_map(|given| given.parts.get(number)).map(|rows| rows.count);
        tree.say(&format!("  Part {}, {}: {} rows", number + 1, part.name, counts.sum::<usize>())).await?;
    }
    tree.say(&format!("  Gathered: {bytes} bytes in {milliseconds:.3} ms")).await?;
    Ok(given)
}

/// Where the lines go.
struct Tree<'a> {
    peer: &'a mut Peer,
    rows: &'a mut Rows,
    describe: bool,
    headline: Option<String>,
}

impl Tree<'_> {
    async fn say(&mut self, text: &str) -> Result<(), Trouble> {
        let mut out = BytesMut::new();
        write::data_row(&mut out, [Some(text.as_bytes())]);
        self.rows.push(self.peer, out.freeze()).await
    }

    /// A server's plan under a title.
    async fn plan_of(
        &mut self,
        executor: &mut Executor,
        server: ServerId,
        title: &str,
    ) -> Result<(), Trouble> {
        let mut error = None;
        loop {
            let frame = reply(executor.connection(server), self.peer).await?;
            match frame.tag() {
                b'Z' => break,
                b'T' => {
                    if let Some(headline) = self.headline.take() {
                        if self.describe {
                            self.peer.out().extend_from_slice(frame.bytes());
                        }
                        self.say(&headline).await?;
                    }
                    self.say(title).await?;
                }
                b'D' => self.say(&format!("        {}", only_value(&frame))).await?,
                b'E' => error = error.or(Some(view::error_fields(&frame).without_place())),
                _ => {}
            }
        }
        error.map_or(Ok(()), |fields| Err(fields.into()))
    }
}

fn only_value(frame: &Frame) -> String {
    let value = Row::read(frame).ok().and_then(|mut row| row.next()).and_then(Result::ok).flatten();
    value.map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}
