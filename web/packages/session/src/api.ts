/** The API's client: each call carries the session's token, and is made again once when that was refused. */
import { createApi, type Api } from '@songkeep/api-client';
import { withProblem } from './problem';
import type { Session } from './session.svelte';

type Tokens = Pick<Session, 'accessToken' | 'renew' | 'state'>;

export function createSessionApi(
	session: Tokens,
	send: (request: Request) => Promise<Response> = (request) => fetch(request),
	baseUrl = '/api'
): Api {
	return createApi({ baseUrl, fetch: (request) => authorized(session, request, send) });
}

async function authorized(
	session: Tokens,
	request: Request,
	send: (request: Request) => Promise<Response>
): Promise<Response> {
	// Bodies can be read once.
	const again = request.clone();
	const token = await session.accessToken();
	let response = await send(bearing(request, token));
	if (response.status === 401 && session.state !== 'signed-out') {
		const newer = await session.accessToken();
		// Another call may have renewed it meanwhile.
		if (newer !== token || (await session.renew())) {
			response = await send(bearing(again, await session.accessToken()));
		}
	}
	return response.ok || response.status === 304 ? response : withProblem(response);
}

function bearing(request: Request, token: string | null): Request {
	if (token !== null) request.headers.set('Authorization', `Bearer ${token}`);
	return request;
}
