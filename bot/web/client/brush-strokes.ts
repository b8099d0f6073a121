/** @file What a brush has painted: strokes in the picture's pixels, drawn on a canvas of its size, and the mask that they make. */

/** A place, pixels. */
export interface Spot {
  readonly x: number;
  readonly y: number;
}

export interface Stroke {
  /** Diameter, pixels. */
  readonly size: number;
  readonly erases: boolean;
  readonly spots: readonly Spot[];
}

/** Draws strokes in the order in which they were painted; an erasing one takes away what is below it. */
export function paint(canvas: HTMLCanvasElement, strokes: readonly Stroke[], colour: string): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.lineCap = 'round';
  context.lineJoin = 'round';
  context.strokeStyle = colour;
  for (const { size, erases, spots } of strokes) {
    context.globalCompositeOperation = erases ? 'destination-out' : 'source-over';
    context.lineWidth = size;
    context.beginPath();
    spots.forEach(({ x, y }, index) => (index === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
    // A line of no length: a dot.
    if (spots.length === 1 && spots[0]) context.lineTo(spots[0].x, spots[0].y);
    context.stroke();
  }
  context.globalCompositeOperation = 'source-over';
}

/** The mask that `/krona edit` takes: white where strokes are, black elsewhere; PNG. null: the browser made none. */
export function maskOf(width: number, height: number, strokes: readonly Stroke[]): Promise<Blob | null> {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  paint(canvas, strokes, '#fff');
  const context = canvas.getContext('2d');
  if (context === null) return Promise.resolve(null);
  context.globalCompositeOperation = 'destination-over';
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}
