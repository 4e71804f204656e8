/** The data of an answer; its error is thrown as it came, for `problemOf` to read. */
export async function dataOf<T>(
	call: Promise<{ data?: T; error?: unknown; response: Response }>
): Promise<T> {
	const { data, error, response } = await call;
	if (data === undefined) throw error ?? new Error(`the server answered ${response.status}`);
	return data;
}
