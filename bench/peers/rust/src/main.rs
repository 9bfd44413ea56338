//! The Rust Lithair with the notes that the benchmark asks for: `lithair-peer PORT DIRECTORY [TOKEN]`.
//!
//! With a token, its models ask for a session, and the token is one.

use lithair_core::DeclarativeModel;
use lithair_core::app::LithairServer;
use lithair_core::session::{MemorySessionStore, Session, SessionManager, SessionStore};
use serde::{Deserialize, Serialize};

#[derive(DeclarativeModel, Serialize, Deserialize, Clone, Debug)]
struct Note {
    #[db(primary_key, indexed)]
    #[http(expose)]
    id: String,
    #[http(expose)]
    sender: String,
    #[db(indexed)]
    #[http(expose)]
    folder: String,
    #[db(indexed)]
    #[http(expose)]
    sent: i64,
    #[http(expose)]
    subject: String,
    #[http(expose)]
    body: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let port = arguments[1].parse()?;
    let mut server = LithairServer::new()
        .with_host("127.0.0.1")
        .with_port(port)
        .with_model::<Note>(format!("{}/notes", arguments[2]), "/api/notes");
    if let Some(token) = arguments.get(3) {
        let store = MemorySessionStore::new();
        let until = chrono::Utc::now() + chrono::Duration::hours(12);
        store.set(Session::new(token.clone(), until)).await?;
        server = server
            .with_sessions(SessionManager::new(store))
            .with_models_require_session(true);
    }
    server.serve().await
}
