"""The catalog: what each data set is, where it is published, under which licence, and how its files lie.

Checksums are those that the publishers or the curators of torchvision, TensorFlow Datasets and anomalib state
for the official files. Where none is published, `checksum` is None and the first fetch records the hash
beside the data.
"""

from dataclasses import dataclass, field
from typing import Literal

from diffad.datasets.corruptions import CORRUPTIONS

Kind = Literal["images", "vectors"]
Scale = Literal["compact", "high-resolution", "vectors", "your own"]


@dataclass(frozen=True)
class Source:
    """One official file.

    Attributes:
        filename: name under which it is published.
        urls: addresses, tried in this order.
        size: bytes, None where the publisher doesn't say.
        checksum: ``"sha256:..."`` or ``"md5:..."``, None where none is published.
        top: for an archive, the folder in it whose content belongs into `Entry.folder` (``""`` where that
            lies at the top); None where the file is no archive and is kept as it is.
        expansion: bytes on the disk for each byte of the file, once it is in place.
        unpacked_md5: checksum that is known for the content of a gzipped file, None where none is.
    """

    filename: str
    urls: tuple[str, ...]
    size: int | None = None
    checksum: str | None = None
    top: str | None = None
    expansion: float = 1.0
    unpacked_md5: str | None = None


@dataclass(frozen=True)
class Entry:
    """One data set.

    Attributes:
        name: what `load` and the command line call it.
        title: what people call it.
        kind: images or vectors.
        scale: the paper's words for it: compact (32 pixels a side or fewer, or small industrial sets) or
            high-resolution; vectors for embeddings and tables.
        folder: where it lies in the data home.
        page: its official page.
        licence: name of its licence, or what its authors say instead.
        must_accept: whether the licence has to be accepted explicitly before fetching.
        citation: the paper to cite.
        layout: the files below `folder`.
        splits: what its authors divided it into.
        counts: official number of items in each part, where parts have one.
        parts: parts that `load` knows.
        items: members that are loaded one by one as ``name/item``; empty for a set loaded as a whole.
        item_counts: official number of items in each part of a member, where it is known.
        sources: official files; empty where nothing can be downloaded without registering, or nothing needs
            to be.
        by_hand: what to do where there is no source to download.
    """

    name: str
    title: str
    kind: Kind
    scale: Scale
    folder: str
    page: str
    licence: str
    citation: str
    layout: str
    splits: str
    must_accept: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    parts: tuple[str, ...] = ("train", "test")
    items: tuple[str, ...] = ()
    item_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    by_hand: str = ""

    @property
    def size(self) -> int | None:
        """Bytes to download, or None where a publisher doesn't say."""
        sizes = [source.size for source in self.sources]
        return None if not sizes or None in sizes else sum(sizes)


# Images in the train and test parts of each category (Bergmann et al. 2019, Table 1).
MVTEC_COUNTS = {
    "bottle": (209, 83), "cable": (224, 150), "capsule": (219, 132), "carpet": (280, 117), "grid": (264, 78),
    "hazelnut": (391, 110), "leather": (245, 124), "metal_nut": (220, 115), "pill": (267, 167),
    "screw": (320, 160), "tile": (230, 117), "toothbrush": (60, 42), "transistor": (213, 100),
    "wood": (247, 79), "zipper": (240, 151),
}  # fmt: skip

# ADBench's computer-vision embeddings: one file a normal class, a corruption or a category.
ADBENCH_EMBEDDINGS = (
    *(f"{name}_{digit}" for name in ("CIFAR10", "FashionMNIST", "SVHN") for digit in range(10)),
    *(f"MNIST-C_{name}" for name in sorted(["identity", *CORRUPTIONS])),
    *(f"MVTec-AD_{category}" for category in MVTEC_COUNTS),
)

ADBENCH_CLASSICAL = (
    "1_ALOI", "2_annthyroid", "3_backdoor", "4_breastw", "5_campaign", "6_cardio", "7_Cardiotocography",
    "8_celeba", "9_census", "10_cover", "11_donors", "12_fault", "13_fraud", "14_glass", "15_Hepatitis",
    "16_http", "17_InternetAds", "18_Ionosphere", "19_landsat", "20_letter", "21_Lymphography",
    "22_magic.gamma", "23_mammography", "24_mnist", "25_musk", "26_optdigits", "27_PageBlocks",
    "28_pendigits", "29_Pima", "30_satellite", "31_satimage-2", "32_shuttle", "33_skin", "34_smtp",
    "35_SpamBase", "36_speech", "37_Stamps", "38_thyroid", "39_vertebral", "40_vowels", "41_Waveform",
    "42_WBC", "43_WDBC", "44_Wilt", "45_wine", "46_WPBC", "47_yeast",
)  # fmt: skip

_ADBENCH_CITATION = "Han et al. 2022, ADBench: Anomaly Detection Benchmark, NeurIPS"
_ADBENCH_LICENCE = "BSD-2-Clause (ADBench); each source keeps its own terms"


def _idx_sources(mirrors: tuple[str, ...], files: dict[str, tuple[int, str, str]]) -> tuple[Source, ...]:
    """Return the four IDX files; of each its gzipped size, its sha256 gzipped and its md5 unpacked."""
    return tuple(
        Source(name, tuple(mirror + name for mirror in mirrors), size, f"sha256:{sha256}", unpacked_md5=md5)
        for name, (size, sha256, md5) in files.items()
    )


def _adbench(name: str, title: str, folder: str, items: tuple[str, ...]) -> Entry:
    root = f"https://raw.githubusercontent.com/Minqi824/ADBench/main/adbench/datasets/{folder}/"
    return Entry(
        name=name,
        title=title,
        kind="vectors",
        scale="vectors",
        folder=f"adbench/{folder}",
        page="https://github.com/Minqi824/ADBench",
        licence=_ADBENCH_LICENCE,
        citation=_ADBENCH_CITATION,
        layout="NAME.npz with X (n, features) and y (n,), 1 = anomalous",
        splits="none: the protocol splits",
        parts=(),
        items=items,
        sources=tuple(Source(f"{item}.npz", (f"{root}{item}.npz",)) for item in items),
    )


_ENTRIES = (
    Entry(
        name="digits",
        title="Digits",
        kind="images",
        scale="compact",
        folder="",
        page="https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_digits.html",
        licence="BSD-3-Clause (scikit-learn); CC BY 4.0 (UCI)",
        citation="Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI",
        layout="inside the scikit-learn package: 1,797 images of 8 x 8 pixels, 17 grey levels",
        splits="here: the first 1,197 train, the last 600 test (other writers)",
        counts={"train": 1197, "test": 600},
        by_hand="it comes with scikit-learn: there is nothing to fetch",
    ),
    Entry(
        name="mnist",
        title="MNIST",
        kind="images",
        scale="compact",
        folder="MNIST/raw",
        page="http://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0",
        citation="LeCun et al. 1998, Gradient-based learning applied to document recognition, Proc. IEEE",
        layout="{train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz",
        splits="official: 60,000 train, 10,000 test",
        counts={"train": 60_000, "test": 10_000},
        sources=_idx_sources(
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "http://yann.lecun.com/exdb/mnist/",
            ),
            {
                "train-images-idx3-ubyte.gz": (
                    9_912_422,
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "6bbc9ace898e44ae57da46a324031adb",
                ),
                "train-labels-idx1-ubyte.gz": (
                    28_881,
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    "a25bea736e30d166cdddb491f175f624",
                ),
                "t10k-images-idx3-ubyte.gz": (
                    1_648_877,
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "2646ac647ad5339dbf082846283269ea",
                ),
                "t10k-labels-idx1-ubyte.gz": (
                    4_542,
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                    "27ae3e4e09519cfbb04c329615203637",
                ),
            },
        ),
    ),
    Entry(
        name="mnist-c",
        title="MNIST-C",
        kind="images",
        scale="compact",
        folder="mnist_c",
        page="https://zenodo.org/record/3239543",
        licence="CC BY 4.0",
        citation="Mu & Gilmer 2019, MNIST-C: A Robustness Benchmark for Computer Vision",
        layout="CORRUPTION/{train,test}_{images,labels}.npy",
        splits="official: 10,000 corrupted test digits (and 60,000 train digits) a corruption",
        items=("identity", *CORRUPTIONS),
        item_counts={name: {"test": 10_000} for name in ("identity", *CORRUPTIONS)},
        sources=(
            Source(
                "mnist_c.zip",
                ("https://zenodo.org/record/3239543/files/mnist_c.zip",),
                246_661_575,
                "sha256:af9ee8c6a815870c7fdde5af84c7bf8db0bcfa1f41056db83871037fba70e493",
                top="mnist_c",
                expansion=3.6,
            ),
        ),
    ),
    Entry(
        name="fashion-mnist",
        title="Fashion-MNIST",
        kind="images",
        scale="compact",
        folder="FashionMNIST/raw",
        page="https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT",
        citation="Xiao, Rasul & Vollgraf 2017, Fashion-MNIST, arXiv 1708.07747",
        layout="{train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz",
        splits="official: 60,000 train, 10,000 test",
        counts={"train": 60_000, "test": 10_000},
        sources=_idx_sources(
            (
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
            {
                "train-images-idx3-ubyte.gz": (
                    26_421_880,
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                ),
                "train-labels-idx1-ubyte.gz": (
                    29_515,
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    "9018921c3c673c538a1fc5bad174d6f9",
                ),
                "t10k-images-idx3-ubyte.gz": (
                    4_422_102,
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    "8181f5470baa50b63fa0f6fddb340f0a",
                ),
                "t10k-labels-idx1-ubyte.gz": (
                    5_148,
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                    "15d484375f8d13e6eb1aabb0c3f46965",
                ),
            },
        ),
    ),
    Entry(
        name="cifar10",
        title="CIFAR-10",
        kind="images",
        scale="compact",
        folder="cifar-10-batches-bin",
        page="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence="none stated by its authors; research use",
        citation="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
        layout="data_batch_{1..5}.bin, test_batch.bin: 10,000 records of a label byte and 3,072 pixel bytes",
        splits="official: 50,000 train, 10,000 test",
        counts={"train": 50_000, "test": 10_000},
        sources=(
            Source(
                "cifar-10-binary.tar.gz",
                ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
                170_052_171,
                "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                top="cifar-10-batches-bin",
                expansion=1.1,
            ),
        ),
    ),
    Entry(
        name="mvtec-ad",
        title="MVTec-AD",
        kind="images",
        scale="compact",
        folder="mvtec_anomaly_detection",
        page="https://www.mvtec.com/company/research/datasets/mvtec-ad",
        licence="CC BY-NC-SA 4.0 (non-commercial)",
        must_accept=True,
        citation="Bergmann, Fauser, Sattlegger & Steger 2019, MVTec AD, CVPR",
        layout="CATEGORY/{train/good,test/DEFECT}/NNN.png and CATEGORY/ground_truth/DEFECT/NNN_mask.png",
        splits="official, a category: defect-free train; test with good and defective images and pixel masks",
        items=tuple(MVTEC_COUNTS),
        item_counts={name: {"train": train, "test": test} for name, (train, test) in MVTEC_COUNTS.items()},
        sources=(
            Source(
                "mvtec_anomaly_detection.tar.xz",
                (
                    "https://www.mydrive.ch/shares/38536/3830184030e49fe74747669442f0f282/download/"
                    "420938113-1629952094/mvtec_anomaly_detection.tar.xz",
                ),
                5_264_982_680,
                "sha256:cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
                top="",
            ),
        ),
    ),
    Entry(
        name="mini-imagenet",
        title="Mini-ImageNet",
        kind="images",
        scale="high-resolution",
        folder="mini-imagenet",
        page="https://github.com/twitter-research/meta-learning-lstm/tree/master/data/miniImagenet",
        licence="ImageNet terms of access (non-commercial research)",
        must_accept=True,
        citation="Vinyals et al. 2016, Matching Networks; Ravi & Larochelle 2017, Optimization as a Model "
        "for Few-Shot Learning",
        layout="{train,val,test}.csv (filename,label) and images/*.jpg",
        splits="official, by class: 64 train, 16 val, 20 test classes of 600 images",
        counts={"train": 38_400, "val": 9_600, "test": 12_000},
        parts=("train", "val", "test"),
        by_hand="ImageNet is given only to registered researchers: register at "
        "https://image-net.org/download and take the images that train.csv, val.csv and test.csv name",
    ),
    _adbench("adbench-resnet18", "ADBench embeddings, ResNet-18", "CV_by_ResNet18", ADBENCH_EMBEDDINGS),
    _adbench("adbench-vit", "ADBench embeddings, ViT", "CV_by_ViT", ADBENCH_EMBEDDINGS),
    _adbench("adbench-classical", "ADBench classical tables", "Classical", ADBENCH_CLASSICAL),
    Entry(
        name="folder",
        title="A folder of images",
        kind="images",
        scale="your own",
        folder="",
        page="",
        licence="yours",
        citation="",
        layout="images of one size; or train/good, test/good, test/DEFECT and ground_truth/DEFECT",
        splits="yours, or a random one",
        by_hand="name the folder itself, as folder:PATH",
    ),
)

CATALOG: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def find_entry(name: str) -> tuple[Entry, str | None]:
    """Return the entry that `name` means, and the item where it is ``entry/item``.

    Raises:
        ValueError: no such entry, or an item that it doesn't have.
    """
    base, _, item = name.partition("/")
    if base not in CATALOG:
        raise ValueError(f"data set must be one of {', '.join(CATALOG)}; got {name!r}")
    entry = CATALOG[base]
    if item and item not in entry.items:
        kind = f"one of {', '.join(entry.items)}" if entry.items else "nothing after the slash"
        raise ValueError(f"{base} has {kind}; got {name!r}")
    return entry, item or None
