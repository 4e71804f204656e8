/** Addresses of artists and albums, which have no ids: their names are what they are known by. */

export function artistPath(name: string): string {
	return `/library/artists/${encodeURIComponent(name)}`;
}

/** An album's name alone can be several albums'; `artist` is null where it is by several. */
export function albumPath(name: string, artist: string | null | undefined): string {
	const path = `/library/albums/${encodeURIComponent(name)}`;
	return artist ? `${path}?artist=${encodeURIComponent(artist)}` : path;
}
