"""Files of annotations as tools write them: one rectangle (and one outline) in every format.

The rectangle is :data:`RECTANGLE` in an image of :data:`SIZE`, so every reader must give
:func:`rectangle_mask`, pixel for pixel.
"""

import json

import numpy as np
from PIL import Image

SIZE = (24, 40)
"""Rows and columns of the image."""

RECTANGLE = (8, 4, 20, 12)
"""x, y, width, height in edge coordinates."""

LABEL = "Mass"


def rectangle_mask(size=SIZE, rectangle=RECTANGLE):
    x, y, width, height = rectangle
    mask = np.zeros(size, bool)
    mask[y : y + height, x : x + width] = True
    return mask


def corners(rectangle=RECTANGLE):
    x, y, width, height = rectangle
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def write_image(path, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = size
    picture = np.add.outer(np.arange(rows), np.arange(columns)) * 3 % 256
    Image.fromarray(picture.astype(np.uint8)).save(path)
    return path


def compressed_counts(runs):
    """COCO's text of run lengths, as pycocotools writes it."""
    text = ""
    for position, run in enumerate(runs):
        value = run - runs[position - 2] if position > 2 else run
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            text += chr((bits | (32 if more else 0)) + 48)
    return text


def run_lengths(mask):
    flat = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    return np.diff(edges, prepend=0, append=flat.size).tolist()


def coco_segmentation(kind, size=SIZE):
    runs = run_lengths(rectangle_mask(size))
    if kind == "polygon":
        return [[float(number) for corner in corners() for number in corner]]
    if kind == "rle":
        return {"size": list(size), "counts": runs}
    if kind == "compressed":
        return {"size": list(size), "counts": compressed_counts(runs)}
    return []


def coco_document(name="a.png", kind="polygon", size=SIZE, label=LABEL, extra=None):
    image = {"id": 5, "file_name": name, "height": size[0], "width": size[1]}
    if extra:
        image["extra"] = {"name": extra}
    annotation = {
        "id": 1,
        "image_id": 5,
        "category_id": 3,
        "bbox": list(RECTANGLE),
        "area": RECTANGLE[2] * RECTANGLE[3],
        "iscrowd": int(kind in ("rle", "compressed")),
        "segmentation": coco_segmentation(kind, size),
    }
    categories = [{"id": 0, "name": "lesions"}, {"id": 3, "name": label}]
    return {"info": {}, "images": [image], "annotations": [annotation], "categories": categories}


def write_coco(path, **choices):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(coco_document(**choices)))
    return path


def yolo_line(kind, number=1, size=SIZE):
    rows, columns = size
    x, y, width, height = RECTANGLE
    if kind == "box":
        shares = (
            (x + width / 2) / columns,
            (y + height / 2) / rows,
            width / columns,
            height / rows,
        )
    else:
        shares = [share for cx, cy in corners() for share in (cx / columns, cy / rows)]
    return " ".join([str(number), *(f"{share:.6f}" for share in shares)])


def write_yolo(root, kind="box", names="data.yaml", image="a"):
    labels = root / "labels"
    labels.mkdir(parents=True)
    (labels / f"{image}.txt").write_text(yolo_line(kind) + "\n")
    if names == "data.yaml":
        text = f"train: ../train/images\nnc: 2\nnames: ['Nodule', '{LABEL}']\n"
        (root / "data.yaml").write_text(text)
    elif names:
        (labels / names).write_text(f"Nodule\n{LABEL}\n")
    return root


def write_voc(path, filename=None, size=SIZE, polygon=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    x, y, width, height = RECTANGLE
    points = "".join(
        f"<x{n}>{cx}</x{n}><y{n}>{cy}</y{n}>" for n, (cx, cy) in enumerate(corners(), 1)
    )
    path.write_text(
        f"<annotation><filename>{filename or path.stem + '.png'}</filename>"
        f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>1</depth></size>"
        f"<object><name>{LABEL}</name><difficult>0</difficult><bndbox><xmin>{x}</xmin>"
        f"<ymin>{y}</ymin><xmax>{x + width}</xmax><ymax>{y + height}</ymax></bndbox>"
        f"{f'<polygon>{points}</polygon>' if polygon else ''}</object></annotation>"
    )
    return path


def box_rows():
    """Header → cells of the rectangle, one an accepted header."""
    x, y, width, height = RECTANGLE
    rows, columns = SIZE
    right, bottom = x + width, y + height
    shares = (x / columns, y / rows, right / columns, bottom / rows)
    centre = ((x + width / 2) / columns, (y + height / 2) / rows, width / columns, height / rows)
    return {
        "image,label,x,y,w,h": (x, y, width, height),
        "image_id,class_name,x_min,y_min,x_max,y_max": (x, y, right, bottom),
        "filename,class,xmin,ymin,xmax,ymax": (x, y, right, bottom),
        "file,finding,x1,y1,x2,y2": (x, y, right, bottom),
        "file,finding,x0,y0,x1,y1": (x, y, right, bottom),
        "image,label,left,top,width,height": (x, y, width, height),
        "image,label,bbox_x,bbox_y,bbox_width,bbox_height": (x, y, width, height),
        "Image Index,Finding Label,Bbox [x,y,w,h],,,": (x, y, width, height),
        "image,label,xmin,ymin,xmax,ymax": tuple(f"{share:.6f}" for share in shares),
        "image,label,x_center,y_center,width,height": tuple(f"{share:.6f}" for share in centre),
    }


def write_box_table(path, header, cells):
    blanks = "," * (header.count(",") - 5)
    path.write_text(f"{header}\na.png,{LABEL},{','.join(map(str, cells))}{blanks}\n")
    return path


def label_map(size=SIZE):
    """1 = Nodule in the corner, 2 = Mass in the rectangle."""
    values = rectangle_mask(size).astype(np.uint8) * 2
    values[:2, :3] = 1
    return values


def write_mask(path, mask=None, value=255):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = rectangle_mask() if mask is None else mask
    Image.fromarray(mask.astype(np.uint8) * value).save(path)
    return path


def write_palette(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    indexed = Image.frombytes("P", values.shape[::-1], values.tobytes())
    indexed.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [7] * (253 * 3))
    indexed.save(path)
    return path


def write_nifti(path, values, affine):
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


# ---- DICOM --------------------------------------------------------------------------------------

SPACING = (0.5, 0.25)
"""mm between rows, between columns."""

ORIGIN = (-10.0, 20.0, 30.0)


def write_dicom_image(path, size=SIZE, seed=0):
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    path.parent.mkdir(parents=True, exist_ok=True)
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    uid = generate_uid(entropy_srcs=["image", str(seed)])
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = uid
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    image.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    image.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    image.Modality, image.PatientID, image.PatientName = "CT", "1", "A^B"
    image.PatientBirthDate = image.PatientSex = image.StudyDate = image.StudyTime = ""
    image.StudyID = image.AccessionNumber = image.ReferringPhysicianName = ""
    image.InstanceNumber = image.SeriesNumber = 1
    image.ImagePositionPatient, image.ImageOrientationPatient = list(ORIGIN), [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness = list(SPACING), 1
    image.Rows, image.Columns = size
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    picture = np.add.outer(np.arange(size[0]), np.arange(size[1])) * 500
    image.PixelData = picture.astype("<u2").tobytes()
    image.save_as(path, enforce_file_format=True)
    return path


def write_dicom_seg(path, image):
    from pydicom import dcmread

    return _write_seg(path, [dcmread(image)], rectangle_mask()[None], LABEL)


def write_volume_seg(path, folder, mask):
    """A segmentation of a series; ``mask`` (D, H, W) by position along the slices' normal."""
    from pydicom import dcmread

    images = [dcmread(file) for file in folder.iterdir()]
    images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
    return _write_seg(path, images, mask, "Lesion")


def _write_seg(path, images, mask, label):
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import Segmentation, SegmentDescription
    from highdicom.sr.coding import CodedConcept
    from pydicom.uid import generate_uid

    path.parent.mkdir(parents=True, exist_ok=True)
    tissue = CodedConcept("49755003", "SCT", "Morphologically abnormal structure")
    mass = CodedConcept("4147007", "SCT", "Mass")
    segment = SegmentDescription(
        1, label, tissue, mass, "AUTOMATIC", AlgorithmIdentificationSequence("a", mass, "1")
    )
    segmentation = Segmentation(
        source_images=images,
        pixel_array=mask,
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="none",
        manufacturer_model_name="none",
        software_versions="1",
        device_serial_number="1",
    )
    segmentation.save_as(path)
    return path


def write_rtstruct(path, image, offset=0.0):
    from pydicom import Dataset, dcmread
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

    path.parent.mkdir(parents=True, exist_ok=True)
    header = dcmread(image)
    structures = Dataset()
    structures.file_meta = FileMetaDataset()
    structures.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    structures.SOPClassUID = structures.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    uid = generate_uid()
    structures.SOPInstanceUID = structures.file_meta.MediaStorageSOPInstanceUID = uid
    structures.Modality = "RTSTRUCT"
    roi = Dataset()
    roi.ROINumber, roi.ROIName = 4, LABEL
    structures.StructureSetROISequence = [roi]
    reference, contour, region = Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPInstanceUID = header.SOPInstanceUID
    points = []
    for x, y in corners():
        # the origin is the centre of the first pixel
        millimetres = ((x - 0.5) * SPACING[1] + ORIGIN[0], (y - 0.5) * SPACING[0] + ORIGIN[1])
        points += [*millimetres, ORIGIN[2] + offset]
    contour.ContourImageSequence, contour.ContourData = [reference], points
    contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 4
    region.ReferencedROINumber, region.ContourSequence = 4, [contour]
    structures.ROIContourSequence = [region]
    structures.save_as(path, enforce_file_format=True)
    return path
