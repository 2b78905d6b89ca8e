//! `GET /v1/nodes`

use amends_engine::Engine;
use amends_protocol::v1::NodeView;
use axum::{Json, extract::State};

use crate::{
    error::ApiError,
    openapi::{BadRequest, Unavailable},
    query::NoQuery,
    view::time,
};

/// The processes that drive sagas on this store now.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    operation_id = "list_nodes",
    tag = "nodes",
    responses((status = 200, description = "Nodes whose lease lasts, by id", body = Vec<NodeView>), BadRequest, Unavailable),
)]
pub(crate) async fn nodes(State(engine): State<Engine>, NoQuery: NoQuery) -> Result<Json<Vec<NodeView>>, ApiError> {
    let (asked, _) = engine.identity();
    let nodes = engine.store().nodes().await?;
    let view = |node: amends_store::Node| NodeView {
        id: node.id,
        name: amends_engine::node_words(&node.name).to_owned(),
        joined_at: time(node.joined_at),
        lease_until: node.lease_until.map(time),
        asked: node.id == asked,
    };
    Ok(Json(nodes.into_iter().map(view).collect()))
}
