//! The typed client: one trait per service, called the same way whether the service lives in this
//! process or behind `/internal/<service>/<method>`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use songkeep_domain::{CallContext, NodeRole, ServiceError, ServiceResult};

/// One remote method and who may call it.
#[derive(Clone, Copy, Debug)]
pub struct RpcMethod {
    pub name: &'static str,
    /// Issuers of service tokens that are let in.
    pub issuers: &'static [NodeRole],
}

/// A service as its internal listener sees it: methods by name, JSON in and out.
#[async_trait]
pub trait RpcService: Send + Sync + 'static {
    fn role(&self) -> NodeRole;

    fn methods(&self) -> &'static [RpcMethod];

    /// # Errors
    /// `not_found` for an unknown method, `malformed` for a body of another shape, else the method's own.
    async fn call(&self, method: &str, ctx: &CallContext, body: &[u8]) -> ServiceResult<Bytes>;
}

/// Reads the request of an internal call.
///
/// # Errors
/// `malformed` when it has another shape.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> ServiceResult<T> {
    serde_json::from_slice(body).map_err(|error| {
        ServiceError::malformed("The internal request has another shape.").with_source(error)
    })
}

/// Writes the answer of an internal call.
///
/// # Errors
/// `internal` when the value cannot be written as JSON.
pub fn encode<T: Serialize>(value: &T) -> ServiceResult<Bytes> {
    serde_json::to_vec(value).map(Bytes::from).map_err(ServiceError::internal)
}

/// Declares a service: its trait, its client (a cheap clone that derefs to the trait), the client's
/// HTTP form and the adapter that serves it on the internal listener. Each method names who may call,
/// and after a semicolon `idempotent` when carrying it out twice does what once does and answers the
/// same: such a call is sent again when its connection breaks.
macro_rules! service {
    (
        $(#[$doc:meta])*
        role $role:ident, trait $Trait:ident, client $Client:ident, remote $Remote:ident, rpc $Rpc:ident;
        $( $(#[$mdoc:meta])* [$($issuer:ident),+ $(; $idempotent:ident)?] fn $method:ident($Req:ty) -> $Resp:ty; )+
    ) => {
        $(#[$doc])*
        #[async_trait::async_trait]
        pub trait $Trait: Send + Sync + 'static {
            $(
                $(#[$mdoc])*
                async fn $method(
                    &self,
                    ctx: &songkeep_domain::CallContext,
                    request: $Req,
                ) -> songkeep_domain::ServiceResult<$Resp>;
            )+
        }

        /// The service, wherever it runs.
        #[derive(Clone)]
        pub struct $Client(std::sync::Arc<dyn $Trait>);

        impl $Client {
            /// The service is in this process.
            #[must_use]
            pub fn local(service: std::sync::Arc<dyn $Trait>) -> Self {
                Self(service)
            }

            /// The service is behind an internal listener.
            #[must_use]
            pub fn http(transport: crate::HttpTransport) -> Self {
                Self(std::sync::Arc::new($Remote(transport)))
            }
        }

        impl std::ops::Deref for $Client {
            type Target = dyn $Trait;

            fn deref(&self) -> &Self::Target {
                &*self.0
            }
        }

        struct $Remote(crate::HttpTransport);

        #[async_trait::async_trait]
        impl $Trait for $Remote {
            $(
                async fn $method(
                    &self,
                    ctx: &songkeep_domain::CallContext,
                    request: $Req,
                ) -> songkeep_domain::ServiceResult<$Resp> {
                    let repeat = crate::service::repeat!($($idempotent)?);
                    self.0.call(stringify!($method), repeat, ctx, &request).await
                }
            )+
        }

        /// Serves the service on the internal listener.
        pub struct $Rpc(pub std::sync::Arc<dyn $Trait>);

        #[async_trait::async_trait]
        impl crate::RpcService for $Rpc {
            fn role(&self) -> songkeep_domain::NodeRole {
                songkeep_domain::NodeRole::$role
            }

            fn methods(&self) -> &'static [crate::RpcMethod] {
                &[$(crate::RpcMethod {
                    name: stringify!($method),
                    issuers: &[$(songkeep_domain::NodeRole::$issuer),+],
                }),+]
            }

            async fn call(
                &self,
                method: &str,
                ctx: &songkeep_domain::CallContext,
                body: &[u8],
            ) -> songkeep_domain::ServiceResult<bytes::Bytes> {
                match method {
                    $(stringify!($method) => {
                        let answer = self.0.$method(ctx, crate::service::decode(body)?).await?;
                        crate::service::encode(&answer)
                    })+
                    _ => Err(songkeep_domain::ServiceError::not_found("This internal method")),
                }
            }
        }
    };
}
pub(crate) use service;

macro_rules! repeat {
    (idempotent) => {
        crate::transport::Repeat::Safe
    };
    () => {
        crate::transport::Repeat::Never
    };
}
pub(crate) use repeat;

/// All services that a process serves on its internal listener.
pub type RpcServices = Vec<Arc<dyn RpcService>>;
