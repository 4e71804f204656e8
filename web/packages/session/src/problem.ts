/** Why a call did not succeed, whatever was in its way. */

export interface ProblemField {
	/** Path of the value, such as `email`. */
	field: string;
	code: string;
	detail: string;
}

export interface Problem {
	/** From the server's closed list; `offline` when it was not reached, `unknown` when it was not it that answered. */
	code: string;
	/** A sentence of the server's; empty when it said none. */
	detail: string;
	/** 0 when there was no answer. */
	status: number;
	fields: ProblemField[];
	/** Seconds after which it is worth trying again. */
	retryAfter?: number;
}

/** Reads what a call threw, or an error that the client gave. */
export function problemOf(error: unknown): Problem {
	if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
		const { detail, status, errors, retry_after: retryAfter } = error as Record<string, unknown>;
		return {
			code: error.code,
			detail: typeof detail === 'string' ? detail : '',
			status: typeof status === 'number' ? status : 0,
			fields: Array.isArray(errors) ? errors.filter(isField) : [],
			retryAfter: typeof retryAfter === 'number' ? retryAfter : undefined
		};
	}
	// What `fetch` throws when no answer came.
	const code = error instanceof TypeError ? 'offline' : 'unknown';
	return { code, detail: '', status: 0, fields: [] };
}

function isField(value: unknown): value is ProblemField {
	return typeof value === 'object' && value !== null && 'field' in value && 'detail' in value;
}

/** An answer that is no success, as a problem document that also carries its `Retry-After`. */
export async function withProblem(response: Response): Promise<Response> {
	const found: unknown = await response.json().catch(() => null);
	const problem =
		typeof found === 'object' && found !== null && 'code' in found
			? found
			: { code: 'unknown', detail: '', status: response.status };
	const seconds = Number(response.headers.get('Retry-After'));
	const body = seconds > 0 ? { ...problem, retry_after: seconds } : problem;
	return new Response(JSON.stringify(body), {
		status: response.status,
		headers: { 'Content-Type': 'application/problem+json' }
	});
}
