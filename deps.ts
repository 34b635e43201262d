/** The npm names that server and ml use on their HTTP side; versions are in deno.json. */
export { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
export { type Context, Hono, type MiddlewareHandler } from "hono";
export { deleteCookie, getCookie, setCookie } from "hono/cookie";
export { getConnInfo } from "hono/deno";
export { HTTPException } from "hono/http-exception";
export { createMiddleware } from "hono/factory";
export { requestId, type RequestIdVariables } from "hono/request-id";
export { routePath } from "hono/route";
export { secureHeaders } from "hono/secure-headers";
export { streamSSE } from "hono/streaming";
export { errors as joseErrors, jwtVerify, SignJWT } from "jose";
