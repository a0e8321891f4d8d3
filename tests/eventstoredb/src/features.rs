//! What the server says it can do; the client asks when it connects.

use tonic::{Request, Response, Status};

use crate::messages::server_features::server_features_server::{ServerFeatures, ServerFeaturesServer};
use crate::messages::server_features::{SupportedMethod, SupportedMethods};

pub struct Features;

pub fn service() -> ServerFeaturesServer<Features> {
    ServerFeaturesServer::new(Features)
}

#[tonic::async_trait]
impl ServerFeatures for Features {
    async fn get_supported_methods(&self, _: Request<()>) -> Result<Response<SupportedMethods>, Status> {
        let methods = ["append", "read"].map(|name| SupportedMethod {
            method_name: name.to_owned(),
            service_name: "event_store.client.streams.streams".to_owned(),
            features: Vec::new(),
        });
        let version = "23.10.0".to_owned();
        Ok(Response::new(SupportedMethods { methods: methods.to_vec(), event_store_server_version: version }))
    }
}
